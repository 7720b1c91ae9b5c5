/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is watched for writes, and what is told of it: for the tests of
 * os/tracking.h.
 */
#ifndef FOSTER_TESTS_WATCHED_H
#define FOSTER_TESTS_WATCHED_H

#include "support.h"

#include "os/tracking.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define PAGES_MOST 4096

/* The one of the test. */
extern struct tracking tracking;

/* Skips the test where it does not work. */
void begin_tracking(void);

int watch(char *p, size_t pages);

/* So many small pages, all written, then watched; nothing is mapped beside them. */
char *watched(size_t pages);

char *map(size_t pages, int flags, int fd);
char *page_of(char *p, size_t i);
void write_pages(char *p, size_t first, size_t end);
char read_page(const char *p, size_t i);

/* Is what is mapped there under a userfaultfd? */
bool is_registered(const char *p);

/* What was told last, page by page from told_base. */
extern unsigned char times_told[PAGES_MOST];
extern char *told_base;
extern bool told_huge, told_swapped, told_untracked;

void forget_told(char *p);
int note(const struct pages_run *run, void *arg);

/* Asks about that many pages at p, and returns the error; or there must be none. */
int ask_whether(char *p, size_t pages, bool anew);
void ask(char *p, size_t pages);

/* Exactly the pages [first, end) of that many were told. */
void assert_told(size_t first, size_t end, size_t pages);
void assert_none_told(size_t pages);

#endif
