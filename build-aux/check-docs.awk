# SPDX-License-Identifier: BSD-2-Clause
#
# Judges whether headers, symbol maps and man pages say the same.  Called by check-docs:
#
#	awk -f check-docs.awk kind=header include/foster/*.h kind=map lib/*.map kind=man man/*.3
#
# Prints for each public symbol "ok NAME" or "not ok NAME", the latter followed by one line
# "# reason" for each thing that is wrong.  The caller numbers them.
#
# What it knows of a symbol s:
#	proto[s], doc[s], decl_file[s]	from the headers; doc is the comment right before it
#	in_map[s]			how many public map nodes name it
#	page[s]				the man page that tells of it, links followed
#	syn[page, s]			its prototype as the page's SYNOPSIS has it
#	sec[page, NAME]			the text of a section
#	tags[page, fn]			errnos of ERRORS; fn is "*" before the first .SS
# And of a function with a body in a header, which is of the macros there and not for users:
#	own[s]				the header

# ------------------------------------------------------------------------------- text

function squeeze(s)
{
	gsub(/[ \t\n]+/, " ", s)
	sub(/^ /, "", s)
	sub(/ $/, "", s)
	return s
}

# A declaration without attributes and with white space only where C needs it.
function normal(s)
{
	gsub(/FOSTER_NONNULL[ ]*\([^)]*\)/, " ", s)
	gsub(/FOSTER_PUBLIC|FOSTER_MUST_USE/, " ", s)
	s = squeeze(s)
	gsub(/ *\( */, "(", s)
	gsub(/ *\) */, ")", s)
	gsub(/ *, */, ",", s)
	gsub(/ *\* */, "*", s)
	sub(/ *;$/, "", s)
	return s
}

# The name that a declaration declares: the first foster_ word with a parenthesis behind.
function declared(s)
{
	if (!match(s, /foster_[a-z0-9_]+ *\(/))
		return ""
	s = substr(s, RSTART, RLENGTH)
	sub(/ *\($/, "", s)
	return s
}

# All that matches re (a string) in s, each once, as " a b ".
function words(s, re,	out, w)
{
	out = " "
	while (match(s, re)) {
		w = substr(s, RSTART, RLENGTH)
		if (index(out, " " w " ") == 0)
			out = out w " "
		s = substr(s, RSTART + RLENGTH)
	}
	return out
}

# Error names, with the sign that they carry, each once.
function errnos(s,	n, i, w, out)
{
	out = " "
	n = split(s, w, /[^-A-Za-z0-9_]+/)
	for (i = 1; i <= n; i++)
		if (w[i] ~ /^-?E[A-Z0-9][A-Z0-9]+$/ && index(out, " " w[i] " ") == 0)
			out = out w[i] " "
	return out
}

# Words of the first list that the second has not.
function lacking(a, b,	n, i, w, out)
{
	n = split(a, w, " ")
	for (i = 1; i <= n; i++)
		if (index(b, " " w[i] " ") == 0)
			out = out " " w[i]
	return out
}

# The keys of an array in order, from out[1]; returns how many.
function sorted(array, out,	n, i, key)
{
	n = 0
	for (key in array) {
		for (i = n++; i > 0 && out[i] > key; i--)
			out[i + 1] = out[i]
		out[i + 1] = key
	}
	return n
}

# ---------------------------------------------------------------------------- headers

function header_start()
{
	in_comment = in_cplusplus = in_define = 0
	comment = statement = ""
	comment_end = depth = conditions = 0
}

# Keeps the comment that stands right before the line n, if it is a contract.
function contract_before(n)
{
	return comment_end == n - 1 ? comment : ""
}

function header_symbol(name, text, contract)
{
	if (name in proto)
		twice[name] = 1
	proto[name] = text
	doc[name] = contract
	decl_file[name] = FILENAME
	known[name] = 1
}

function header_statement(s,	name)
{
	name = declared(s)
	if (name == "" || s ~ /[{}]/)
		return
	if (s ~ /^[ \t\n]*typedef/) {
		type[name] = normal(s)
		return
	}
	header_symbol(name, normal(s), contract_before(statement_start))
	if (s !~ /FOSTER_PUBLIC/)
		unmarked[name] = 1
}

# A function with its body.
function header_definition(s,	name)
{
	name = declared(s)
	if (name != "")
		own[name] = FILENAME
}

# What stands between #ifdef __cplusplus and its #else or #endif is not for C.
function header_condition(line)
{
	if (line ~ /^#if/)
		conditions++
	if (line ~ /^#ifdef __cplusplus/)
		in_cplusplus = conditions
	else if (line ~ /^#(else|endif)/ && in_cplusplus == conditions)
		in_cplusplus = 0
	if (line ~ /^#endif/)
		conditions--
}

# A macro is public when the contract before it (or before the macro just before) names it.
function header_define(line,	name)
{
	if (!match(line, /^#define FOSTER_[A-Z_]+\([^)]*\)/))
		return
	line = substr(line, 9, RLENGTH - 8)
	name = substr(line, 1, index(line, "(") - 1)
	if (index(title(comment), name)) {
		header_symbol(name, normal(line), contract_before(FNR))
		comment_end = FNR
	}
}

function header_line(line)
{
	if (in_comment) {
		comment = comment "\n" line
		if (line ~ /\*\//) {
			in_comment = 0
			if (!is_contract)
				comment = ""
			comment_end = FNR
		}
		return
	}
	if (in_define || line ~ /^#/) {
		if (!in_define && line ~ /^#(if|else|endif)/)
			header_condition(line)
		else if (!in_define)
			header_define(line)
		in_define = line ~ /\\$/
		return
	}
	if (in_cplusplus)
		return
	gsub(/\/\*.*\*\//, "", line)
	if (match(line, /\/\*/)) {
		in_comment = 1
		is_contract = line ~ /\/\*\*/
		comment = line
		line = substr(line, 1, RSTART - 1)
	}
	if (line ~ /^[ \t]*$/)
		return
	if (statement == "")
		statement_start = FNR
	statement = statement "\n" line
	depth += gsub(/\{/, "{", line) - gsub(/\}/, "}", line)
	if (depth == 0 && line ~ /;[ \t]*$/) {
		header_statement(statement)
		statement = ""
	} else if (depth == 0 && line ~ /^\}/) {
		header_definition(statement)
		statement = ""
	}
}

# The first sentence of a contract: "foster_x - what it is".
function title(contract,	lines)
{
	split(contract, lines, "\n")
	return lines[2]
}

# The text of one part (Returns, Errors, Context, Since) of a contract; "" where it has none.
function part(contract, name,	n, i, lines, line, here, out)
{
	n = split(contract, lines, "\n")
	for (i = 2; i <= n; i++) {
		line = lines[i]
		sub(/^ *\*\/?/, "", line)
		if (line ~ /^ ?(Returns|Errors|Context|Since)[^:]*:/)
			here = index(line, name) == 2
		if (here)
			out = out " " line
	}
	return squeeze(out)
}

# ------------------------------------------------------------------------------- maps

function map_text(line)
{
	gsub(/\/\*.*\*\//, "", line)
	sub(/#.*/, "", line)
	map = map " " line
}

# NODE { global: a; b; local: *; } PARENT;
function map_end(	n, i, token, w, node, private, scope)
{
	gsub(/[{};:]/, " & ", map)
	n = split(map, token, /[ \t\n]+/)
	for (i = 1; i <= n; i++) {
		w = token[i]
		if (token[i + 1] == "{") {
			node = w
			private = node ~ /PRIVATE/
			scope = "global"
		} else if (token[i + 1] == ":")
			scope = w
		else if (token[i + 1] == ";" && w ~ /[*]/) {
			if (scope == "global" && !private)
				wild[node] = w
		} else if (token[i + 1] == ";" && w ~ /^[A-Za-z_]/ && token[i - 1] != "}" &&
			   scope == "global" && !private) {
			in_map[w]++
			known[w] = 1
		}
	}
	map = ""
}

# -------------------------------------------------------------------------- man pages

# roff to text: macros that set words in a font join or space their arguments, escapes go.
function roff(line,	name, n, args, i, out)
{
	gsub(/\\-/, "-", line)
	gsub(/\\f[BIRP]|\\&|\\\||\\\^|\\\//, "", line)
	gsub(/\\ |\\~/, " ", line)
	gsub(/\\e/, "\\", line)
	if (line !~ /^\./)
		return line
	if (line !~ /^\.(B|I|R|BI|BR|IB|IR|RB|RI|SB|SM) /)
		return ""
	name = substr(line, 2, index(line, " ") - 2)
	n = arguments(substr(line, length(name) + 3), args)
	for (i = 1; i <= n; i++)
		out = out (i > 1 && length(name) == 1 ? " " : "") args[i]
	return out
}

# Splits at blanks, but for those inside double quotes.
function arguments(s, args,	n)
{
	n = 0
	while (sub(/^ +/, "", s) || s != "") {
		if (s == "")
			break
		if (s ~ /^"/ && match(s, /^"([^"]|"")*"?/)) {
			args[++n] = substr(s, 2, RLENGTH - 2)
			gsub(/""/, "\"", args[n])
		} else {
			match(s, /^[^ ]+/)
			args[++n] = substr(s, 1, RLENGTH)
		}
		s = substr(s, RLENGTH + 1)
	}
	return n
}

function man_start()
{
	this = FILENAME
	sub(/^.*\//, "", this)
	is_concept = this ~ /\.7$/
	sub(/\.[0-9]$/, "", this)
	pages[this] = 1
	if (is_concept)
		concept[this] = 1
	section = ""
	scope_ = "*"
	tag_next = 0
}

function man_line(line)
{
	if (line ~ /^\.so /) {
		sub(/^\.so (man[0-9]\/)?/, "", line)
		sub(/\.[0-9] *$/, "", line)
		link[this] = line
		return
	}
	if (line ~ /^\.SH/) {
		sub(/^\.SH +/, "", line)
		gsub(/"/, "", line)
		section = line
		scope_ = "*"
		has_section[this, section] = 1
		return
	}
	if (line ~ /^\.SS/ && section == "ERRORS") {
		sub(/^\.SS/, "", line)
		scope_ = words(line, "foster_[a-z0-9_]+|FOSTER_[A-Z]+")
		scopes[this] = scopes[this] scope_
		return
	}
	if (line ~ /^\.(TP|TQ)/) {
		tag_next = 1
		return
	}
	line = roff(line)
	if (section == "ERRORS") {
		errors_text[this, scope_] = errors_text[this, scope_] " " line
		if (tag_next)
			tags[this, scope_] = tags[this, scope_] errnos(line)
	}
	tag_next = 0
	sec[this, section] = sec[this, section] "\n" line
}

# What the SYNOPSIS sections declare, from their text.
function synopses(	key, k, n, i, parts, s, name)
{
	for (key in sec) {
		split(key, k, SUBSEP)
		if (k[2] != "SYNOPSIS")
			continue
		s = sec[key]
		gsub(/\n#include[^\n]*/, "", s)
		n = split(s, parts, ";")
		for (i = 1; i < n; i++) {
			s = parts[i]
			sub(/^[ \t\n]+/, "", s)
			name = declared(s)
			if (name == "" && match(s, /^FOSTER_[A-Z_]+\(/))
				name = substr(s, 1, RLENGTH - 1)
			if (name == "") {
				complaint[k[1]] = complaint[k[1]] "\n# " k[1] ": SYNOPSIS has \"" \
					squeeze(s) "\""
				continue
			}
			syn[k[1], name] = normal(s)
			if (s ~ /^typedef/)
				check_typedef(k[1], name)
			else
				known[name] = 1
		}
	}
}

function check_typedef(p, name)
{
	if (type[name] != syn[p, name])
		complaint[p] = complaint[p] "\n# " p ": SYNOPSIS has \"" syn[p, name] \
			"\", the headers \"" type[name] "\""
}

# The subsection of ERRORS that tells of a symbol.
function scope_of(p, s,	key, k)
{
	for (key in errors_text) {
		split(key, k, SUBSEP)
		if (k[1] == p && index(k[2], " " s " "))
			return k[2]
	}
	return scopes[p] == "" ? "*" : ""
}

# ------------------------------------------------------------------------------ verdict

function wrong(reason)
{
	reasons = reasons "\n# " reason
}

function judge_declaration(s,	d, e)
{
	if (!(s in proto)) {
		wrong("not declared in any header")
		return
	}
	if (s in twice)
		wrong("declared twice")
	if (s in unmarked)
		wrong("declared without FOSTER_PUBLIC")
	d = doc[s]
	if (d == "") {
		wrong("no contract (/** ... */) right before the declaration")
		return
	}
	if (index(title(d), s) == 0)
		wrong("the contract's first line does not name it")
	if (part(d, "Returns") == "" && proto[s] !~ /^void[^*]*$/)
		wrong("the contract has no \"Returns:\"")
	e = part(d, "Errors")
	if (errnos(e) == " " && e !~ /those of/ && d !~ /[Nn]ever fail/)
		wrong("the contract has neither \"Errors:\" with a name nor \"never fails\"")
	if (part(d, "Context") == "")
		wrong("the contract has no \"Context:\"")
	if (part(d, "Since") !~ /[0-9]+\.[0-9]+/)
		wrong("the contract has no \"Since: X.Y\"")
}

function judge_map(s)
{
	if (s ~ /^FOSTER_/)
		return
	if (!(s in in_map))
		wrong("not in any public node of the symbol maps")
	else if (in_map[s] > 1)
		wrong("in more than one public node of the symbol maps")
}

function judge_errors(s, p,	where, text, want, have, e, others)
{
	where = scope_of(p, s)
	if (where == "") {
		wrong(p ": no subsection of ERRORS is about it")
		return
	}
	text = errors_text[p, where]
	e = part(doc[s], "Errors")
	want = errnos(e)
	have = tags[p, where] " "
	if (lacking(want, have) != "")
		wrong(p ": ERRORS lacks" lacking(want, have))
	if (lacking(have, want) != "")
		wrong(p ": ERRORS has what the header has not:" lacking(have, want))
	if (want == " " && e !~ /those of/ && text !~ /[Nn]ever fail/)
		wrong(p ": ERRORS does not say \"never fails\"")
	if (match(e, /those of .*/)) {
		others = words(substr(e, RSTART), "foster_[a-z0-9_]+")
		if (lacking(others, words(text, "foster_[a-z0-9_]+")) != "")
			wrong(p ": ERRORS does not name" lacking(others, text) \
				", whose errors it can have")
	}
}

function judge_page(s,	p, i, n, sections, since)
{
	p = s
	if (!(p in pages)) {
		wrong("no man page man/" s ".3")
		return
	}
	if (p in link)
		p = link[p]
	if (!(p in pages) || p in link) {
		wrong("man/" s ".3 is a link to " p ", which is no page")
		return
	}
	page[s] = p
	n = split("NAME,LIBRARY,SYNOPSIS,DESCRIPTION,RETURN VALUE,ERRORS,CONTEXT,EXAMPLE," \
		  "VERSIONS,SEE ALSO", sections, ",")
	for (i = 1; i <= n; i++)
		if (!((p, sections[i]) in has_section))
			wrong(p ": no section " sections[i])
	if (index(words(sec[p, "NAME"], "foster_[a-z0-9_]+|FOSTER_[A-Z]+"), " " s " ") == 0)
		wrong(p ": NAME does not name it")
	if (!((p, s) in syn))
		wrong(p ": SYNOPSIS does not declare it")
	else if (s in proto && syn[p, s] != proto[s])
		wrong(p ": SYNOPSIS has \"" syn[p, s] "\", the header \"" proto[s] "\"")
	if (p in complaint)
		reasons = reasons complaint[p]
	if (!(s in proto) || doc[s] == "")
		return
	judge_errors(s, p)
	since = part(doc[s], "Since")
	sub(/^Since: */, "", since)
	if (index(sec[p, "VERSIONS"], since) == 0)
		wrong(p ": VERSIONS does not say " since)
}

# foster_x (3) anywhere in a page is a page that we have.
function judge_references(	key, k, p, w, n, i, found, list, bad)
{
	for (key in sec) {
		split(key, k, SUBSEP)
		gsub(/ \(/, "(", sec[key])
		found = words(sec[key], "[A-Za-z_]*(foster|FOSTER)_[A-Za-z0-9_]+\\([37]\\)")
		n = split(found, w, " ")
		for (i = 1; i <= n; i++) {
			p = w[i]
			sub(/\(.*/, "", p)
			if (!(p in pages))
				bad[k[1]] = bad[k[1]] "\n# refers to " w[i] ", which is no page"
		}
	}
	n = sorted(pages, list)
	for (i = 1; i <= n; i++)
		if (!(list[i] in link))
			verdict("references of page " list[i], bad[list[i]])
}

# What is of the macros looks like it, and a page warns of it.
function judge_own(s,	key, told)
{
	if (s !~ /_$/)
		wrong("has its body in a header, and no _ at its end")
	for (key in sec)
		if (index(sec[key], s "("))
			told = 1
	if (!told)
		wrong("has its body in a header, and no page says that it is not for users")
}

function verdict(name, why)
{
	print (why == "" ? "ok " : "not ok ") name why
}

FNR == 1 {
	if (map != "")
		map_end()
	if (kind == "header")
		header_start()
	else if (kind == "man")
		man_start()
}
kind == "header" { header_line($0) }
kind == "map" { map_text($0) }
kind == "man" { man_line($0) }

END {
	if (map != "")
		map_end()
	synopses()
	for (p in pages)
		if (p ~ /^(foster|FOSTER)_/ && !(p in concept))
			known[p] = 1
	n = sorted(known, symbol)
	for (i = 1; i <= n; i++) {
		s = symbol[i]
		reasons = ""
		judge_declaration(s)
		judge_map(s)
		judge_page(s)
		verdict(s, reasons)
	}
	n = sorted(own, symbol)
	for (i = 1; i <= n; i++) {
		reasons = ""
		judge_own(symbol[i])
		verdict(symbol[i], reasons)
	}
	judge_references()
	for (node in wild)
		verdict("map node " node, "\n# exports the wildcard " wild[node])
}
