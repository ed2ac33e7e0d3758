# Which processes LibCare patched: the same on every host, from its boot on.
# shellcheck shell=sh disable=SC2034 # its variables are for those who source it

# print_libraries FORMAT_OF_PROCESS FORMAT_OF_LIBRARY: pid and name; library, build id and level.
print_libraries() {
  # shellcheck disable=SC2059 # the formats are the caller's
  {
    printf "$1" 812 sshd
    printf "$2" libc.so.6 18e5de3bd9a6cc5b7cca7ab9cf6e1d3ad0d1b4f0 3
    printf "$2" libcrypto.so.3 4a2f3cb6a1f8d6f0b4e3d2c1b0a9f8e7d6c5b4a3 1
    printf "$1" 813 cron
    printf "$2" libc.so.6 18e5de3bd9a6cc5b7cca7ab9cf6e1d3ad0d1b4f0 3
  }
}
