#!/bin/sh
# dpkg-query --admindir=FOLDER -W -f=FORMAT [PATTERN...]: prints fields of the packages that match, or of all.
# Exits 1 when a pattern matches nothing, and prints the others all the same (dpkg-query(1)).
admin='' format='' patterns=''
for argument; do
  case $argument in
    --admindir=*) admin=${argument#--admindir=} ;;
    -f=*) format=${argument#-f=} ;;
    -W) ;;
    *) patterns="$patterns $argument" ;;
  esac
done

exec awk -v format="$format" -v patterns="$patterns" '
  function expression(glob) {
    gsub(/[.+]/, "[&]", glob)
    gsub(/[*]/, ".*", glob)
    gsub(/[?]/, ".", glob)
    return "^" glob "$"
  }
  function source_name() {
    if (!("Source" in field)) return field["Package"]
    split(field["Source"], words, " ")
    return words[1]
  }
  function source_version() {
    if (field["Source"] !~ /[(]/) return field["Version"]
    split(field["Source"], words, /[()]/)
    return words[2]
  }
  function put(line, name, value) {
    while ((at = index(line, "${" name "}")) > 0)
      line = substr(line, 1, at - 1) value substr(line, at + length(name) + 3)
    return line
  }
  function show(line, name) {
    if (!("Package" in field)) return
    if (count > 0) {
      found = 0
      for (n = 1; n <= count; n++) if (field["Package"] ~ wanted[n]) { found = 1; matched[n] = 1 }
      if (!found) return
    }
    line = format
    split(field["Status"], status, " ")
    line = put(line, "source:Package", source_name())
    line = put(line, "source:Version", source_version())
    line = put(line, "db:Status-Status", status[3])
    for (name in field) line = put(line, name, field[name])
    printf "%s", line
  }
  BEGIN {
    count = split(patterns, wanted, " ")
    for (n = 1; n <= count; n++) wanted[n] = expression(wanted[n])
  }
  /^$/ { show(""); split("", field); next }
  { at = index($0, ": "); field[substr($0, 1, at - 1)] = substr($0, at + 2) }
  END {
    show("")
    for (n = 1; n <= count; n++) if (!(n in matched)) exit 1
  }' "$admin/status"
