#!/bin/sh
# rpm -qa [--qf FORMAT] [GLOB...], rpm -q [--qf FORMAT] NAME..., rpm -q [--qf FORMAT] -f FILE..., rpm -q --changelog NAME...
# The exit code counts what was not found (rpm(8)).
# shellcheck source=/dev/null disable=SC2154 # variables of _packages
. "${0%/*}/_packages"

usage() {
  echo "rpm: only queries are simulated" >&2
  exit 1
}

read_options() {
  format='%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' asked=names what=package wanted=''
  while [ "$#" -gt 0 ]; do
    case $1 in
      --qf | --queryformat)
        format=$2
        shift
        ;;
      --qf=* | --queryformat=*) format=${1#*=} ;;
      --changelog) what=changelog ;;
      -q | --query) ;;
      -qa | -a | --all) asked=all ;;
      -qf | -f | --file) asked=files ;;
      --version)
        echo 'RPM version 4.16.1.3'
        exit 0
        ;;
      -*) usage ;;
      *) wanted="$wanted $1" ;;
    esac
    shift
  done
}

# The rows that are asked for, in the order of the questions; a question without an answer is a line that begins "!".
select_rows() {
  awk -v asked="$asked" -v wanted="$wanted" -v owners="$lab/owners" -F '\t' '
    function matches(glob) {
      gsub(/[.+]/, "[&]", glob)
      gsub(/[*]/, ".*", glob)
      gsub(/[?]/, ".", glob)
      return "^" glob "$"
    }
    function find(name) {
      found = 0
      for (n = 1; n <= count; n++)
        if (name == label[n] || name == label[n] "-" version[n] || name == full[n] || name == label[n] "-" ver[n]) {
          print row[n]
          found = 1
        }
      return found
    }
    {
      count++
      row[count] = $0
      label[count] = $1
      ver[count] = $3
      version[count] = $3 "-" $4
      full[count] = $1 "-" $3 "-" $4 "." $5
    }
    END {
      total = split(wanted, question, " ")
      while (asked == "files" && (getline line < owners) > 0) {
        split(line, part, "\t")
        owner[part[1]] = part[2]
      }
      if (asked == "all") {
        for (n = 1; n <= count; n++) {
          shown = total < 1
          for (q = 1; q <= total; q++)
            if (label[n] ~ matches(question[q]) || full[n] ~ matches(question[q])) shown = 1
          if (shown) print row[n]
        }
      }
      for (q = 1; asked == "names" && q <= total; q++)
        if (!find(question[q])) print "!package " question[q] " is not installed"
      for (q = 1; asked == "files" && q <= total; q++)
        if (!(question[q] in owner) || !find(owner[question[q]]))
          print "!file " question[q] " is not owned by any package"
    }' "$database"
}

show_rows() {
  awk -v format="$format" -F '\t' '
    function put(line, name, value) {
      if (value == "") value = "(none)"
      while ((at = index(line, "%{" name "}")) > 0)
        line = substr(line, 1, at - 1) value substr(line, at + length(name) + 3)
      return line
    }
    /^!/ { print substr($0, 2); missing++; next }
    {
      line = put(format, "NAME", $1)
      line = put(line, "EPOCH", $2)
      line = put(line, "EPOCHNUM", $2 == "" ? "0" : $2)
      line = put(line, "VERSION", $3)
      line = put(line, "RELEASE", $4)
      line = put(line, "ARCH", $5)
      line = put(line, "SOURCERPM", $6)
      line = put(line, "INSTALLTIME", $7)
      line = put(line, "NEVRA", $1 "-" ($2 == "" ? "" : $2 ":") $3 "-" $4 "." $5)
      line = put(line, "NVRA", $1 "-" $3 "-" $4 "." $5)
      line = put(line, "EVR", ($2 == "" ? "" : $2 ":") $3 "-" $4)
      printf "%s", line
    }
    END { exit missing > 100 ? 100 : missing }'
}

show_changelogs() {
  tab=$(printf '\t')
  while IFS= read -r row; do
    cat "$lab/changelogs/${row%%"$tab"*}" 2>/dev/null || echo '(none)'
  done
}

main() {
  read_options "$@"
  find_packages || usage
  if [ "$what" = changelog ]; then
    select_rows | show_changelogs
  else
    select_rows | show_rows
  fi
}

main "$@"
