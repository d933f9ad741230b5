# Two agents and their hub: one agent as it is, the other with the mounts and the rights that its unit for systemd gives it.
# Run by a test, in namespaces of its own. A file in $folder tells it to hide /home from the second agent.
#
# Variables: hub, agent (programs), data (the hub's folder), folder, token, outside, inside (credentials). Arguments: options of
# both agents.

may() { "$@" 2>/dev/null; }

# /sys shows the network that it was mounted in.
mount -t sysfs sysfs /sys
# A disk of its own at /home.
truncate -s 64M "$folder/image"
if may mkfs.ext4 -q "$folder/image" && may mount -o loop "$folder/image" /home; then
  head -c 5000000 /dev/urandom > /home/bytes
else
  echo "no disk can be mounted here" >&2
  touch "$folder/no-disk"
fi

# What the second agent's user can reach.
chmod 711 "$folder"
mkdir "$folder/state" "$folder/tmp" "$folder/var-tmp" "$folder/dev" "$folder/credentials" "$folder/none"
cp "$agent" "$folder/agent"
chmod 755 "$folder/agent"
chown 65534:65534 "$folder/state"
chmod 0 "$folder/none"

cat > "$folder/inside" <<'INSIDE'
set -e
folder=$1 secret=$2 hides=$3
shift 3
# Under a name that the private /tmp does not hide.
mount --bind "$folder" /mnt
# LoadCredential=
mount -t tmpfs -o mode=755 credentials /mnt/credentials
echo "$secret" > /mnt/credentials/credential
chmod 444 /mnt/credentials/credential
# PrivateDevices=
mount -t tmpfs -o mode=755 devices /mnt/dev
for node in null zero full random urandom; do
  touch "/mnt/dev/$node"
  mount --bind "/dev/$node" "/mnt/dev/$node"
done
mount --rbind /mnt/dev /dev
# PrivateTmp=, which DynamicUser= brings.
mount --bind /mnt/tmp /tmp
mount --bind /mnt/var-tmp /var/tmp
# StateDirectory=
mkdir -p /mnt/state/spool
chown 65534:65534 /mnt/state/spool
mount --bind /mnt/state /mnt/state
# ProtectHome=
for path in /home /root /run/user; do
  test -d "$path" || continue
  if test "$hides" = hides; then mount --bind /mnt/none "$path"; else mount --bind "$path" "$path"; fi
done
# ProtectKernelTunables=, ProtectControlGroups=
for path in /proc/sys /sys/fs/cgroup; do test ! -d "$path" || mount --bind "$path" "$path"; done
# ProtectSystem=strict, and what the above makes read-only.
while read -r _ path _; do
  case $path in /mnt/state) ;; *) mount -o remount,bind,ro "$path" 2>/dev/null || true ;; esac
done < /proc/self/mounts
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
  /mnt/agent --hub 127.0.0.1:5555 --credential-file /mnt/credentials/credential --spool /mnt/state/spool "$@"
INSIDE

"$hub" --data "$data" serve --http 127.0.0.1:8008 --quic 127.0.0.1:5555 &
WINDFIRE_CREDENTIAL=$outside "$agent" --hub 127.0.0.1:5555 --spool "$folder/spool" "$@" &

enter() { # hides or shows, and the options
  hides=$1
  shift
  unshare --mount sh "$folder/inside" "$folder" "$inside" "$hides" "$@" &
  second=$!
}
enter shows "$@"

while :; do
  if test -e "$folder/hide"; then
    rm "$folder/hide"
    kill "$second" || true
    wait "$second" || true
    enter hides "$@"
    touch "$folder/hidden"
  fi
  if curl -sS -H "Authorization: $token" http://127.0.0.1:8008/api/v1/server/details > "$folder/saying" 2>/dev/null; then
    mv "$folder/saying" "$folder/said"
  fi
  sleep 0.2
done
