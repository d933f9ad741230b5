# A machine with odd interfaces and disks, a hub and an agent on it, and what the machine's own tools say of it. Run by a test, in
# namespaces of its own; what the kernel lacks is left out. Files in $folder tell it what to do next.
#
# Variables: hub, agent (programs), data (the hub's folder), folder, token. Arguments: the agent's options.

may() { "$@" 2>/dev/null; }

# Packets of 1,042 bytes, with their heads, to nobody.
send() { # COUNT ADDRESS
  bash -c 'dd if=/dev/zero bs=1000 count="$0" status=none > "/dev/udp/$1/9"' "$1" "$2"
}

neighbour() { # ADDRESS LINK
  ip neigh add "$1" lladdr 02:00:00:00:00:99 dev "$2"
}

# /sys shows the network that it was mounted in.
mount -t sysfs sysfs /sys
calm='for of in all default; do echo 1 > /proc/sys/net/ipv6/conf/$of/disable_ipv6; done'
eval "$calm"

# Cables to another machine.
unshare --net sh -c "$calm"'; touch "$0"; exec sleep infinity' "$folder/other" &
other=$!
until test -e "$folder/other"; do sleep 0.05; done
for name in tunnelwire slave1 slave2; do
  ip link add "$name" type veth peer name far
  ip link set far netns "$other"
  nsenter -t "$other" -n ip link set far name "far-$name" up
done
ip addr add 10.77.0.1/24 dev tunnelwire
ip link set tunnelwire up
neighbour 10.77.0.9 tunnelwire
nsenter -t "$other" -n ip addr add 10.77.0.2/24 dev far-tunnelwire
nsenter -t "$other" -n ip neigh add 10.77.0.99 lladdr "$(cat /sys/class/net/tunnelwire/address)" dev far-tunnelwire

# A bridge on a VLAN on a bond of two, as far as there are such.
top=slave1
if may ip link add bond0 type bond mode balance-rr; then
  for name in slave1 slave2; do ip link set "$name" master bond0; ip link set "$name" up; done
  ip link set bond0 up
  top=bond0
else
  ip link set slave1 up
  ip link set slave2 up
fi
if may ip link add link $top name vlan20 type vlan id 20; then
  ip link set vlan20 up
  top=vlan20
fi
# A cable that is itself part of a bridge looks like a guest's, in a container.
if test "$top" != slave1 && may ip link add br20 type bridge; then
  ip link set "$top" master br20
  ip link set br20 up
  top=br20
fi
ip addr add 10.78.0.1/24 dev "$top"
neighbour 10.78.0.9 "$top"
echo "on the bond: $top" >&2

# What stays inside.
ip link add inside1 type veth peer name inside2
ip addr add 10.79.0.1/24 dev inside1
ip link set inside1 up
ip link set inside2 up
neighbour 10.79.0.9 inside1
may ip tuntap add tap7 mode tap && ip link set tap7 up
if may ip link add br7 type bridge; then
  for name in inside2 tap7; do may ip link set "$name" master br7; done
  ip link set br7 up
fi
may ip tuntap add tun7 mode tun && ip link set tun7 up
if may ip link add dummy7 type dummy; then
  ip addr add 10.80.0.1/24 dev dummy7
  ip link set dummy7 up
fi
# And what leaves by another's cable.
above=tunnelwire
if may ip link add above link tunnelwire type macvlan mode bridge; then
  ip addr add 10.81.0.1/24 dev above
  ip link set above up
  neighbour 10.81.0.9 above
  above=above
fi

# A disk under two names, mounted where no text is a path.
truncate -s 64M "$folder/image"
odd=$folder/$(printf 'caf\351')
mkdir "$odd" "$folder/again"
if may mkfs.ext4 -q "$folder/image" && may mount -o loop "$folder/image" "$odd"; then
  device=$(losetup -n -O NAME -j "$folder/image")
  mknod "$folder/other-name" b $(stat -c '%Hr %Lr' "$device")
  mount "$folder/other-name" "$folder/again"
  head -c 5000000 /dev/urandom > "$odd/bytes"
else
  echo "no disk can be mounted here" >&2
  touch "$folder/no-disk"
fi

# File systems whose daemons stand still: nobody ever answers on 3 and 4.
hang() { # FOLDER DESCRIPTOR
  mkdir "$1"
  mount -i -t fuse -o "fd=$2,rootmode=40000,user_id=0,group_id=0" hung "$1"
}
if test -w /dev/fuse; then exec 3<>/dev/fuse; hang "$folder/hung" 3; else touch "$folder/no-fuse"; fi

"$hub" --data "$data" serve --http 127.0.0.1:8008 --quic 127.0.0.1:5555 3<&- &
"$agent" --hub 127.0.0.1:5555 --spool "$folder/spool" "$@" 3<&- &
agent_pid=$!

# Bytes of each device once, bytes used of them, and how many these are.
disks() {
  seen=
  while read -r _ path kind _; do
    case $kind in ext[234] | xfs | vfat | btrfs | f2fs) ;; *) continue ;; esac
    device=$(stat -c %d "$path")
    case " $seen " in *" $device "*) continue ;; esac
    seen="$seen $device"
    df -B1 --output=size,used "$path" | tail -n 1
  done < /proc/self/mounts | awk '{ size += $1; used += $2 } END { printf "%.0f %.0f %d\n", size, used, NR }'
}

# Bytes received and sent by the cables.
cables() {
  for name in tunnelwire slave1 slave2; do
    ip -s link show dev "$name" | awk '/RX:/ { getline; print "rx", $1 } /TX:/ { getline; print "tx", $1 }'
  done | awk '{ sum[$1] += $2 } END { printf "%.0f %.0f\n", sum["rx"], sum["tx"] }'
}

say() {
  mkdir -p "$folder/saying"
  disks > "$folder/saying/disks"
  cables > "$folder/saying/cables"
  free -b > "$folder/saying/free"
  curl -sS -H "Authorization: $token" http://127.0.0.1:8008/api/v1/server/details > "$folder/saying/details" 2>/dev/null || return 0
  curl -sS -H "Authorization: $token" "http://127.0.0.1:8008/api/v1/server/history?id=1&metric=net_out_transfer&from=-2h&step=1h&agg=increase" > "$folder/saying/increase"
  cat /proc/uptime > "$folder/saying/uptime"
  rm -rf "$folder/said.old"
  may mv "$folder/said" "$folder/said.old" || true
  mv "$folder/saying" "$folder/said"
}

told() { test -e "$folder/$1" && rm "$folder/$1"; }

while :; do
  if told traffic; then
    send 200 10.77.0.9
    send 300 10.78.0.9
    send 500 10.79.0.9
    if test -e /sys/class/net/dummy7; then neighbour 10.80.0.9 dummy7; send 500 10.80.0.9; fi
    test $above = tunnelwire || send 100 10.81.0.9
    nsenter -t "$other" -n bash -c 'dd if=/dev/zero bs=1000 count=150 status=none > /dev/udp/10.77.0.99/9'
    touch "$folder/sent"
  fi
  if told hang; then
    if test ! -e "$folder/no-fuse"; then exec 4<>/dev/fuse; hang "$folder/hung-later" 4; fi
    touch "$folder/hangs"
  fi
  if told unplug; then
    ip link del slave1
    touch "$folder/unplugged"
  fi
  if told restart; then
    kill "$agent_pid"
    wait "$agent_pid" || true
    "$agent" --hub 127.0.0.1:5555 --spool "$folder/spool" "$@" 3<&- 4<&- &
    agent_pid=$!
    touch "$folder/restarted"
  fi
  say
  sleep 0.1
done
