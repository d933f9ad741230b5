# Becomes an agent in a container of its own: only the agent and its libraries, and the root of the host at /host, read-only.
# Arguments: an empty folder, the agent, its options. The mounts and the processes of this shell must be its own already.
set -e
root=$1 agent=$2; shift 2
mount -t tmpfs tmpfs "$root"
for file in "$agent" $(ldd "$agent" | grep -o '/[^ ]*'); do
  mkdir -p "$root${file%/*}"
  cp "$file" "$root$file"
done
mkdir "$root/host" "$root/proc"
mount --rbind / "$root/host"
mount -o remount,bind,ro "$root/host"
mount -t proc proc "$root/proc"
exec chroot "$root" "$agent" "$@"
