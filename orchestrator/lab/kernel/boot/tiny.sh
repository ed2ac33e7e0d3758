#!/bin/sh
# What busybox init runs first where there is no systemd: what a host has mounted, its name, and the modules it asks for at boot.
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t securityfs security /sys/kernel/security
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mkdir -p /run/sshd /run/lock /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=000 devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
hostname -F /etc/hostname
cat /etc/modules-load.d/*.conf 2>/dev/null | grep '^[^#;]' | while read -r module; do modprobe "$module"; done
