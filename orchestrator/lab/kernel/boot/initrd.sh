#!/bin/sh
# /init of the initial RAM disk: drivers, network, root. The address is the one that QEMU's user network gives its guest.
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do insmod "/modules/$module"; done </modules.list
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
mount -t ext4 /dev/vda /root
umount /sys
umount /proc
mount --move /dev /root/dev
exec switch_root /root /sbin/init
