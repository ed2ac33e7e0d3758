# shellcheck shell=sh disable=SC2034,SC2154
# The frame of an answer. Every section is built in $body by builtins (no fork), printed whole, and closed by a
# trailer with its exit code, its byte count and the nonce: a section without its trailer did not happen.

# put KEY VALUE. A value holds no newline: it came from `read`, or was checked by `is_plain`.
put() {
  body="$body$1=$2$newline"
}

# lack KEY REASON: what could not be read, and why.
lack() {
  body="$body$1!$2$newline"
}

# put_file KEY FILE: the file's first line.
put_file() {
  value='' opened=''
  { opened=1; IFS= read -r value; } 2>/dev/null <"$2"
  if [ -n "$opened" ]; then
    put "$1" "$value"
  elif [ -e "$2" ]; then
    lack "$1" unreadable
  else
    lack "$1" absent
  fi
}

# put_lines KEY FILE COUNT: its first lines, a KEY each; says when there were more.
put_lines() {
  left=$3 opened=''
  {
    opened=1
    while IFS= read -r value || [ -n "$value" ]; do
      if [ "$left" -eq 0 ]; then
        lack "$1" too_large
        break
      fi
      put "$1" "$value"
      left=$((left - 1))
      value=''
    done
  } 2>/dev/null <"$2"
  if [ -z "$opened" ]; then
    if [ -e "$2" ]; then lack "$1" unreadable; else lack "$1" absent; fi
  fi
}

# put_hex KEY FILE: its first 4 KiB as hexadecimal bytes.
put_hex() {
  if [ ! -e "$2" ]; then
    lack "$1" absent
    return 0
  fi
  value=$(od -An -v -tx1 -N4096 <"$2") || value=$(hexdump -v -n4096 -e '1/1 "%02x "' <"$2")
  if [ -z "$value" ]; then
    lack "$1" unreadable
    return 0
  fi
  # The words are hexadecimal bytes: splitting them joins od's lines into one.
  # shellcheck disable=SC2086
  set -- "$1" $value
  value=$1
  shift
  put "$value" "$*"
}

# is_plain NAME: a file's name that can stand on a line of the answer.
is_plain() {
  case $1 in
    '' | *[!A-Za-z0-9_.+@:,~-]*) return 1 ;;
  esac
}

# section NAME: run read_NAME and print what it built.
section() {
  body=''
  "read_$1" </dev/null 2>/dev/null
  print_section "$1" "$?" 2000000
}

# extra_section NAME: run the function NAME in a shell of its own; its stderr and exit code close the body.
extra_section() {
  body=$(
    {
      errors=$("$1" 2>&1 1>&3 3>&- </dev/null)
      printf '\nPATCHWAVE %s err %s\n%.2000s' "$nonce" "$?" "$errors"
    } 3>&1 | head -c 500001
  )
  print_section "$1" 0 500000
}

# section_if STATUS NAME: the section of a part whose condition ended so. A condition that could not tell (`[` ends with
# more than 1) runs the part.
section_if() {
  if [ "$1" -eq 1 ]; then
    body=''
    print_section "$2" absent 0
  else
    extra_section "$2"
  fi
}

print_section() {
  if [ "${#body}" -gt "$3" ]; then
    body=''
    set -- "$1" too_large
  fi
  printf '\nPATCHWAVE %s section %s\n%s\nPATCHWAVE %s end %s %s %s\n' \
    "$nonce" "$1" "$body" "$nonce" "$1" "$2" "${#body}"
}
