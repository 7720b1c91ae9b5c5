# SPDX-License-Identifier: BSD-2-Clause
#
# The rules of check-layers.  Variables: tree (with a slash at its end), rule.

BEGIN {
	# What each folder of lib/ may include besides itself.  bpf stands on top; watch
	# and table stand beside region.
	may["base"] = ""
	may["os"] = "base"
	may["gc"] = "base os"
	may["track"] = "base os gc"
	may["region"] = "base os gc track"
	may["source"] = "base os gc track region guard"
	may["guard"] = "base os gc track region"
	may["watch"] = "base os"
	may["table"] = "base os"
	may["bpf"] = "base os gc track region source guard"
	for (folder in may) {
		allowed[folder, folder] = 1
		count = split(may[folder], lower, " ")
		for (i = 1; i <= count; i++)
			allowed[folder, lower[i]] = 1
	}

	count = split("mmap mmap64 munmap mprotect pkey_mprotect mremap madvise " \
		      "process_madvise sigaction signal sigaltstack pthread_create " \
		      "syscall", name, " ")
	for (i = 1; i <= count; i++)
		system_call[name[i]] = 1
}

function breach(text)
{
	print file ":" FNR ": " text
}

FNR == 1 {
	file = FILENAME
	if (index(file, tree) == 1)
		file = substr(file, length(tree) + 1)
	split(file, part, "/")
	folder = part[1] == "lib" && part[3] != "" ? part[2] : ""
	in_comment = 0
}

# Sets `included` and `quoted` from an #include line.
function parse_include(line)
{
	included = ""
	if (in_comment || line !~ /^[ \t]*#[ \t]*include[ \t]*["<]/)
		return 0
	included = line
	sub(/^[ \t]*#[ \t]*include[ \t]*/, "", included)
	quoted = substr(included, 1, 1) == "\""
	included = substr(included, 2)
	sub(/[">].*/, "", included)
	return 1
}

function check_downwards(target)
{
	if (!(folder in may))
		breach("lib/" folder " has no place in build-aux/check-layers.awk")
	else if (included ~ /(^|\/)\.\.?\//)
		breach("includes \"" included "\" by a relative path")
	else if (included !~ /\// || !quoted || target == "foster")
		return
	else if (!(target in may))
		breach("includes \"" included "\", which is in no folder of lib/")
	else if (!((folder, target) in allowed))
		breach("lib/" folder " includes " included)
}

# For code that sees the public headers only
function check_public(target)
{
	if (!quoted)
		return
	if (target in may && included ~ /\//)
		breach("includes \"" included "\" of lib/")
	else if (included ~ /^(\.\.\/)*lib\// || included ~ /^(\.\.\/)+include\// ||
		 included == "config.h")
		breach("includes \"" included "\"")
}

function check_include(    target)
{
	target = included
	sub(/\/.*/, "", target)
	if (rule == "downwards" && folder != "")
		check_downwards(target)
	if (rule == "headers" || rule == "public")
		check_public(target)
	if (rule == "collector" && folder != "gc" && !quoted &&
	    included ~ /^(gc\/|gc\.h$|gc_)/)
		breach("includes <" included ">")
	if (rule == "libbpf" && folder != "bpf" && !quoted && included ~ /^bpf\//)
		breach("includes <" included ">")
	if (rule == "base" && included ~ /^foster\//)
		breach("includes " included)
	if (rule == "bodies" && included ~ /\.(c|cc|cpp)$/)
		breach("includes " included)
}

# Calls by name, not through a pointer in a structure.
function check_calls(line,    before, word)
{
	while (match(line, /[A-Za-z_][A-Za-z_0-9]*[ \t]*\(/)) {
		before = RSTART > 1 ? substr(line, RSTART - 1, 1) : ""
		word = substr(line, RSTART, RLENGTH - 1)
		sub(/[ \t]+$/, "", word)
		if (word in system_call && before !~ /[.0-9]/ &&
		    substr(line, RSTART - 2, 2) != "->")
			breach("calls " word "()")
		line = substr(line, RSTART + RLENGTH)
	}
}

{
	is_include = parse_include($0)
	code = strip($0)
	if (is_include)
		check_include()
	else if (rule == "system" && folder != "os") {
		check_calls(code)
		if (strings ~ /\/proc(\/|$)/)
			breach("names /proc")
	}
}
