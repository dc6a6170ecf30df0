# The password comes over standard input: arguments can be read by everybody on the host.
set -eu
read -r password < /run/secrets/redis-password || [ -n "$password" ]
exec redis-server - << END
port 6379
bind 0.0.0.0
save ""
appendonly no
maxmemory 32mb
requirepass $password
END
