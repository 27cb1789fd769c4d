#!/usr/bin/env bash
# A network of its own, in which avahi announces three printers: a virtual device, a plain host (net-snmp), and one
# whose address is left out. Then a search hears them. Needs root: unshare --net --mount bash announcing.sh GATEWAY MFP
set -euo pipefail
gateway=$1 mfp=$2
mount -t tmpfs tmpfs /run
dir=/run/announcing
mkdir -p "$dir" /run/avahi-daemon
trap 'kill $(jobs -p) 2>"$dir/kill" || true' EXIT

ip link set lo up
ip link add lan0 type veth peer name lan1
ip link set lan1 up
for last in 7 8 9; do ip address add 192.0.2.$last/24 dev lan0; done
ip link set lan0 up

until_it() { for _ in $(seq 200); do "$@" >$dir/until 2>&1 && return; sleep 0.05; done; echo "never: $*" >&2; cat $dir/until >&2; return 1; }

cat >$dir/bus.conf <<CONF
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=$dir/bus</listen>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
CONF
dbus-daemon --config-file=$dir/bus.conf --nofork --nopidfile 2>$dir/bus.log &
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$dir/bus
printf '[server]\nhost-name=mfp\nallow-interfaces=lan0\nuse-ipv6=no\n[publish]\npublish-hinfo=no\npublish-workstation=no\n' >$dir/avahi.conf
until_it test -S $dir/bus
avahi-daemon -f $dir/avahi.conf --no-drop-root --no-chroot --no-rlimits 2>$dir/avahi.log &
until_it avahi-daemon -c

"$mfp" --address 192.0.2.7 --serial E174M1 --speed 0 --ready-file $dir/mfp >$dir/mfp.log 2>&1 &
printf 'rocommunity public\nsysDescr A plain host\n' >$dir/snmpd.conf
SNMPCONFPATH=$dir SNMP_PERSISTENT_DIR=$dir/snmpd snmpd -f -Lf $dir/snmpd.log -C -c $dir/snmpd.conf udp:192.0.2.8:161 &
"$mfp" --address 192.0.2.9 --serial E174M9 --speed 0 --ready-file $dir/mfp9 >$dir/mfp9.log 2>&1 &
until_it test -s $dir/mfp
until_it test -s $dir/mfp9
until_it snmpget -v2c -c public -t 0.2 -r 0 192.0.2.8 1.3.6.1.2.1.1.1.0

for last in 7 8 9; do
    avahi-publish-address -R "host$last.local" 192.0.2.$last >$dir/address$last 2>&1 &
    until_it grep -q Established $dir/address$last
done
avahi-publish -s -H host7.local "Office" _ipp._tcp 631 >$dir/publish7 2>&1 &
avahi-publish -s -H host8.local "No printer" _printer._tcp 515 >$dir/publish8 2>&1 &
avahi-publish -s -H host9.local "Left out" _pdl-datastream._tcp 9100 >$dir/publish9 2>&1 &
for last in 7 8 9; do until_it grep -q Established $dir/publish$last; done

"$gateway" discover 192.0.2.0/24 --exclude 192.0.2.9 --mdns --no-sweep --json
"$gateway" discover 192.0.2.0/24 --exclude 192.0.2.9 --mdns --no-sweep >$dir/text
