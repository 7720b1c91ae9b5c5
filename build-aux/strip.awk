# SPDX-License-Identifier: BSD-2-Clause
#
# For check-layers.awk and size-figures.awk.  in_comment tells whether the line before left a
# comment open: who begins a file sets it to 0.

# The line without comments; what strings hold goes to `strings`, so that "/* " in one of
# them and calls named in them do not count.
function strip(line,    out, i, c, two, quote, literal)
{
	out = ""
	strings = ""
	literal = ""
	quote = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\") {
				literal = literal two
				i++
			} else if (c == quote) {
				strings = strings " " literal
				out = out quote quote
				quote = literal = ""
			} else {
				literal = literal c
			}
		} else if (two == "/*") {
			in_comment = 1
			out = out " "
			i++
		} else if (two == "//") {
			break
		} else if (c == "\"" || c == "'") {
			quote = c
		} else {
			out = out c
		}
	}
	return out
}
