# SPDX-License-Identifier: BSD-2-Clause
#
# Reads names of C files, prints the figures and checks the limits, in TAP.
#
# How it counts
#   line         a line of code: blank lines and lines with nothing but comment do not
#                count; but a file's length, for its limit, is all of its lines
#   function     kernel style: from the first line of its declaration to `}` at column 0,
#                with `{` alone at column 0 in between
#   conditional  #if, #ifdef, #ifndef, #elif, #else and #endif; not the guard of a header,
#                nor `#ifdef __cplusplus`
#   assertion    fo_assert(), fo_assert_full(), _Static_assert(), static_assert()
# Variables: tree (with a slash at its end).

BEGIN {
	FUNCTION_MAX = 80
	FUNCTION_LONG = 40 # 9 of 10 are shorter
	MEDIAN_MAX = 12
	FILE_MAX = 700
	CONDITIONAL_MAX = 6 # in 1000 lines, outside lib/os
	ASSERT_MIN = 20     # in 1000 lines
	split("track region watch table", asserting, " ")
	ASSERTION = "(^|[^A-Za-z_0-9])" \
		    "(fo_assert|fo_assert_full|_Static_assert|static_assert)[ \t]*\\("
}

function add_function(length_)
{
	functions[area]++
	if (area == "lib" || area == "tools") {
		size[++sizes] = length_
		if (length_ >= FUNCTION_LONG)
			long_functions++
	}
	if (length_ > longest[area]) {
		longest[area] = length_
		longest_name[area] = name " in " file
	}
	if (length_ > FUNCTION_MAX)
		too_long = too_long "\n# " file ": " name "() has " length_ " lines"
}

# One line of code; `code` is not empty.
function count_line(code)
{
	lines[area]++
	file_lines++
	if (area == "lib")
		folder_lines[folder]++

	if (code ~ /^[ \t]*#[ \t]*(if|ifdef|ifndef|elif|else|endif)([^a-z_]|$)/)
		conditional_line(code)
	if (area != "lib" || code ~ /^[ \t]*#[ \t]*define/)
		return
	while (match(code, ASSERTION)) {
		asserts[folder]++
		code = substr(code, RSTART + RLENGTH)
	}
}

# Conditionals nest; those of guards are remembered by their depth.
function conditional_line(code)
{
	if (code ~ /#[ \t]*if/) {
		depth++
		uncounted[depth] = code ~ /__cplusplus/ ||
			(file ~ /\.h$/ && file_lines == 1 && code ~ /#[ \t]*ifndef/)
	}
	if (!uncounted[depth] && area == "lib" && folder != "os") {
		conditionals++
		conditional_files[file]++
	}
	if (code ~ /#[ \t]*endif/ && depth > 0)
		depth--
}

# Functions: `begin` is the number of lines since the declaration began, 0 between
# declarations.
function track_function(code)
{
	if (inside) {
		inside++
		if (code ~ /^}/) {
			add_function(inside)
			inside = begin = 0
		}
		return
	}
	if (code == "{" && begin) {
		inside = begin + 1
		return
	}
	if (code ~ /^#/ || continued) {
		continued = code ~ /\\$/
		return
	}
	if (code ~ /[;}]$/ || code ~ /^[ \t]*}/) {
		begin = 0
		return
	}
	if (!begin || code ~ /^[A-Za-z_]/) {
		# A return type on a line of its own belongs to the function.
		if (!begin || code ~ /^(if|for|while)/)
			name = ""
		if (match(code, /[A-Za-z_][A-Za-z_0-9]*\(/) && name == "")
			name = substr(code, RSTART, RLENGTH - 1)
	}
	begin++
}

function read_file(path,    line, code)
{
	file = index(path, tree) == 1 ? substr(path, length(tree) + 1) : path
	split(file, part, "/")
	area = part[1]
	folder = part[3] != "" ? part[2] : ""
	in_comment = depth = file_lines = inside = begin = continued = 0
	physical = 0
	while ((getline line < path) > 0) {
		physical++
		code = strip(line)
		sub(/[ \t\r]+$/, "", code)
		if (code ~ /^[ \t]*$/)
			continue
		count_line(code)
		track_function(code)
	}
	close(path)
	if (file !~ /\.c$/)
		return
	files[area]++
	if (area == "lib" || area == "tools")
		length_of[++lengths] = physical
	if (physical > longest_file[area]) {
		longest_file[area] = physical
		longest_file_name[area] = file
	}
	if (physical > FILE_MAX)
		too_large = too_large "\n# " file " has " physical " lines"
}

{
	read_file($0)
}

function sort_numbers(list, count,    i, j, value)
{
	for (i = 2; i <= count; i++) {
		value = list[i]
		for (j = i - 1; j >= 1 && list[j] > value; j--)
			list[j + 1] = list[j]
		list[j + 1] = value
	}
}

# The value that a share of the sorted list does not exceed
function quantile(list, count, share,    i)
{
	if (!count)
		return 0
	i = int(count * share)
	if (i < count * share)
		i++
	return list[i < 1 ? 1 : i]
}

function result(good, text)
{
	printf "%s %d - %s\n", good ? "ok" : "not ok", ++number, text
	if (!good)
		failed = 1
}

function per_1000(count, of)
{
	return of ? 1000 * count / of : 0
}

function max_of(list,    area_, best)
{
	for (area_ in list)
		if (list[area_] > best + 0)
			best = list[area_]
	return best + 0
}

END {
	sort_numbers(size, sizes)
	sort_numbers(length_of, lengths)
	other_lines = lines["lib"] - folder_lines["os"]

	for (i = 1; i in asserting; i++)
		if (folder_lines[asserting[i]])
			with_assertions++
	print "1.." 5 + with_assertions
	count = split("lib tools examples tests bench", areas, " ")
	for (i = 1; i <= count; i++) {
		area = areas[i]
		if (!lines[area])
			continue
		printf "# %s: %d lines of code in %d .c files, the longest %d (%s);",
			area, lines[area], files[area], longest_file[area],
			longest_file_name[area]
		printf " %d functions, the longest %d (%s)\n",
			functions[area], longest[area], longest_name[area]
	}
	printf "# lib and tools: functions of %d lines in the median, %d at 90 %%,",
		quantile(size, sizes, 0.5), quantile(size, sizes, 0.9)
	printf " %d at most; .c files of %d lines in the median, %d at most\n",
		quantile(size, sizes, 1),
		quantile(length_of, lengths, 0.5), quantile(length_of, lengths, 1)

	result(quantile(size, sizes, 0.5) <= MEDIAN_MAX,
	       sprintf("functions of lib and tools: median of %d lines, limit %d",
		       quantile(size, sizes, 0.5), MEDIAN_MAX))
	result(10 * long_functions <= sizes,
	       sprintf("functions of lib and tools: %d of %d have %d lines or more," \
		       " limit 1 in 10", long_functions, sizes, FUNCTION_LONG))
	result(too_long == "",
	       sprintf("functions: longest of %d lines, limit %d", max_of(longest),
		       FUNCTION_MAX) too_long)
	result(too_large == "",
	       sprintf(".c files: longest of %d lines, limit %d", max_of(longest_file),
		       FILE_MAX) too_large)
	for (file in conditional_files)
		where = where "\n# " file " has " conditional_files[file]
	result(per_1000(conditionals, other_lines) <= CONDITIONAL_MAX,
	       sprintf("conditional lines of lib outside lib/os: %.1f in 1000, limit %d",
		       per_1000(conditionals, other_lines), CONDITIONAL_MAX) where)
	for (i = 1; i in asserting; i++) {
		folder = asserting[i]
		if (!folder_lines[folder])
			continue
		density = per_1000(asserts[folder], folder_lines[folder])
		result(density >= ASSERT_MIN,
		       sprintf("assertions in lib/%s: %.1f in 1000 lines, at least %d",
			       folder, density, ASSERT_MIN))
	}
	exit failed
}
