# shellcheck shell=sh disable=SC2154
# What kpatch says of loaded and installed modules. It exits 0 whatever it finds, and reads what any account may read.

kpatch_list() {
  for wants in multi-user.target.wants sysinit.target.wants; do
    file=$root/etc/systemd/system/$wants/kpatch.service
    if [ -L "$file" ] || [ -e "$file" ]; then echo 'boot	kpatch.service'; fi
  done
  echo 'list	'
  call kpatch list
}
