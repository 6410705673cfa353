#!/bin/bash
# Makes captures of Redis, PostgreSQL and MariaDB between Debian's servers and clients (redis-cli, redis-benchmark; psql, pgbench; mariadb, perl with DBD::MariaDB), in a network namespace of its own.
# Usage: sudo tests/captures/make_databases.sh FOLDER [NAME]...      names: redis redis_pipeline postgresql postgresql_bench mysql mysql_prepared (default: all)
# The captures of tests/golden/ were made so; they are only made again when something is to be added, for times and numbers are others each time.
set -euo pipefail
export LC_ALL=C TZ=UTC
die() { echo "make_databases.sh: $*" >&2; exit 1; }
[ $# -ge 1 ] || die "where to?"
out=$(realpath "$1")
shift
[ $# -gt 0 ] || set -- redis redis_pipeline postgresql postgresql_bench mysql mysql_prepared
[ "$(id -u)" = 0 ] || die "needs root for a network namespace"
PATH=$PATH:/usr/sbin:/sbin:$(echo /usr/lib/postgresql/*/bin)
for command in ip tcpdump setpriv redis-server redis-cli redis-benchmark postgres initdb psql pgbench mariadbd mariadb-install-db mariadb /usr/bin/perl; do
    command -v $command >/dev/null || die "no $command here"
done
net=tl-databases-$$
work=$(mktemp -d "${TMPDIR:-/tmp}/databases.XXXXXX")
chmod 755 "$work"
pids=()
leave() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait || true
    ip netns delete "$net" || true
    rm -rf "$work"
}
ip netns add "$net"
trap leave EXIT
ip -n "$net" link set lo up
in_net() { ip netns exec "$net" "$@"; }
start() { # NAME COMMAND...
    local name=$1
    shift
    ip netns exec "$net" "$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
    pids+=($!)
}
wait_for() { # WHAT COMMAND...
    local what=$1 i
    shift
    for ((i = 0; i < 100; i++)); do
        ! "$@" >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    tail -n 5 "$work"/*.err >&2
    die "waited in vain for $what"
}
listens() { in_net ss -Hltn "sport = :$1" | grep -q .; }

# capture NAME PORT COMMAND...: what goes through the port meanwhile.
capture() {
    local name=$1 port=$2 pid
    shift 2
    start tcpdump-"$name" tcpdump -i lo -s 0 -U --immediate-mode -B 8192 -w "$work/$name.pcap" "tcp port $port"
    pid=${pids[-1]}
    wait_for "tcpdump" grep -q listening "$work/tcpdump-$name.err"
    "$@" >"$work/$name.out" 2>&1 || { cat "$work/$name.out" >&2; die "$name"; }
    sleep 0.5 # the last acknowledgements
    kill "$pid"
    wait "$pid" || true
    cp "$work/$name.pcap" "$out/$name.pcap"
    echo "$name: $(stat -c %s "$out/$name.pcap") bytes"
}

# ---- Redis ------------------------------------------------------------------------------------------------------
start_redis() {
    listens 6379 || start redis redis-server --port 6379 --bind 127.0.0.1 --save '' --dir "$work"
    wait_for redis-server listens 6379
}
cli() { in_net redis-cli -h 127.0.0.1 "$@"; }
# A command per line and connection: fed through its standard input, redis-cli first asks for the whole documentation of all commands.
# shellcheck disable=SC2120 # with none, too
cli_each() {
    local words
    while read -r -a words; do
        cli "$@" "${words[@]}" || true
    done
}
redis_session() {
    local listener
    cli SET greeting "hello world"
    cli_each <<'END'
GET greeting
GET nothing
INCR greeting
RPUSH list a b c
LRANGE list 0 -1
HSET hash name bob age 7
CONFIG SET requirepass sesame
-a sesame CONFIG GET requirepass
-a sesame HELLO 3 AUTH default sesame SETNAME me
GET greeting
END
    cli -a sesame CONFIG SET requirepass ""
    cli EVAL "return {1, {2, 'three'}, false}" 0
    cli_each <<'END'
XADD stream * temperature 20
BLPOP queue 0.1
NONSENSE with arguments
-3 HGETALL hash
-3 ZADD scores 1.5 a 2.5 b
-3 ZRANGE scores 0 -1 WITHSCORES
-3 LOLWUT VERSION 5 1 1 1
END
    printf '%s\r\n' MULTI 'INCR n' 'INCR n' EXEC 'CLIENT REPLY SKIP' 'SET skipped 1' 'GET skipped' 'CLIENT REPLY OFF' 'SET off 1' 'CLIENT REPLY ON' 'GET off' | cli --pipe
    printf '%s\r\n' 'HELLO 3' 'CLIENT TRACKING ON BCAST' 'SET tracked 1' | cli --pipe
    cli SUBSCRIBE news weather </dev/null &
    listener=$!
    sleep 0.3
    cli PUBLISH news "it rains"
    cli PUBLISH weather rain
    sleep 0.2
    kill "$listener"
    timeout 0.5 ip netns exec "$net" redis-cli -h 127.0.0.1 MONITOR </dev/null &
    sleep 0.2
    cli SET watched 1
    wait %% || true
    head -c 9000 /dev/zero | tr '\0' x | cli -x SET large
    cli GET large
}
redis_pipeline() { in_net redis-benchmark -h 127.0.0.1 -c 2 -n 30 -P 10 -d 20 -t ping_inline,ping_mbulk,set,get,lpush,mset -q; }

# ---- PostgreSQL -------------------------------------------------------------------------------------------------
as_postgres() { in_net setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$work/postgres" PGHOST=127.0.0.1 PGUSER=postgres PGPASSWORD=sesame "$@"; }
start_postgresql() {
    listens 5432 && return 0
    install -d -o postgres -g postgres "$work/postgres"
    (cd "$work/postgres" && echo sesame >pw && as_postgres initdb -D "$work/postgres/data" -A scram-sha-256 --pwfile=pw >/dev/null)
    start postgres setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D "$work/postgres/data" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$work/postgres" -c fsync=off
    wait_for postgres listens 5432
    wait_for postgres as_postgres psql -c 'select 1'
}
postgresql_session() {
    as_postgres psql -X <<'END' || true
create table item (id serial primary key, name text unique, price numeric);
insert into item (name, price) values ('tea', 2.5), ('coffee', 3), ('water', null) returning id;
select * from item order by id;
insert into item (name) values ('tea');
select oops from item;
begin; update item set price = 4 where name = 'tea'; select 1; commit;
copy item (name, price) from stdin with (format csv);
milk,1.25
juice,2
\.
copy item to stdout;
create role bob with login password 'sesame2';
do $$ begin raise notice 'careful'; end $$;
listen news;
notify news, 'it rains';
select count(*) from generate_series(1, 300) s, item;
END
    PGPASSWORD=wrong as_postgres env PGPASSWORD=wrong psql -X -c 'select 1' || true
    as_postgres psql -X -d nothing -c 'select 1' || true
}
postgresql_bench() {
    local mode
    printf '%s\n' '\set n random(1, 9)' 'select :n + 1;' 'select name from item where id = :n;' >"$work/bench.sql"
    for mode in simple extended prepared; do
        as_postgres pgbench -n -f "$work/bench.sql" -M $mode -t 5
    done
    printf '%s\n' '\startpipeline' 'select 1;' 'select 2;' 'select 3;' '\endpipeline' >"$work/pipeline.sql"
    as_postgres pgbench -n -f "$work/pipeline.sql" -M extended -t 3
    printf '%s\n' '\startpipeline' 'select 1;' 'select 1/0;' 'select 3;' '\endpipeline' >"$work/failing.sql"
    as_postgres pgbench -n -f "$work/failing.sql" -M extended -t 1 || true
}

# ---- MariaDB ----------------------------------------------------------------------------------------------------
start_mysql() {
    listens 3306 && return 0
    install -d -o mysql -g mysql "$work/mysql" "$work/mysql/data"
    mariadb-install-db --user=mysql --datadir="$work/mysql/data" --auth-root-authentication-method=normal --skip-test-db >/dev/null 2>&1
    start mariadbd mariadbd --no-defaults --user=mysql --datadir="$work/mysql/data" --bind-address=127.0.0.1 --port=3306 --socket="$work/mysql/socket" --local-infile=1 --skip-name-resolve
    wait_for mariadbd listens 3306
    in_net mariadb --no-defaults -S "$work/mysql/socket" -u root -e "create database shop; create database stock; create user bob@127.0.0.1 identified by 'sesame'; grant all on *.* to bob@127.0.0.1"
}
mysql_client() { in_net mariadb --no-defaults -h 127.0.0.1 -u bob -psesame --skip-ssl --local-infile=1 "$@"; }
mysql_session() {
    printf '7\tmilk\n8\tjuice\n' >"$work/items.txt"
    mysql_client -f shop <<END || true
create table item (id int primary key auto_increment, name varchar(20) unique, price decimal(6,2));
insert into item (name, price) values ('tea', 2.5), ('coffee', 3), ('water', null);
select * from item;
insert into item (name) values ('tea');
selec nonsense;
update item set price = price + 1;
use stock;
show tables;
use nowhere;
load data local infile '$work/items.txt' into table shop.item;
set password for bob@127.0.0.1 = password('sesame');
prepare p from 'select ? + 1';
set @x = 4;
execute p using @x;
delimiter //
create procedure shop.two() begin select 1; select 2 union select 3; end//
delimiter ;
call shop.two();
delete from shop.item where id > 1;
END
    in_net mariadb --no-defaults -h 127.0.0.1 -u bob -pwrong --skip-ssl -e 'select 1' || true
    mysql_client --compress -e 'select 1'
}
mysql_prepared() {
    in_net /usr/bin/perl <<'END'
use DBI;
my $db = DBI->connect("DBI:MariaDB:database=shop;host=127.0.0.1;port=3306", "bob", "sesame", { mariadb_server_prepare => 1, RaiseError => 0, PrintError => 0 }) or die DBI->errstr;
$db->do("create table if not exists pair (a int, b varchar(30))");
my $insert = $db->prepare("insert into pair values (?, ?)");
$insert->execute($_, "text $_") for 1 .. 4;
my $select = $db->prepare("select a, b from pair where a > ? order by a");
for my $least (0, 2, 9) {
    $select->execute($least);
    1 while $select->fetchrow_arrayref;
}
$insert->execute("no number", "x" x 40);
$db->prepare("select from nowhere");
$insert->finish; $select->finish;
undef $insert; undef $select;
$db->ping;
$db->disconnect;
END
}

for name; do
    case $name in
    redis) start_redis; capture redis 6379 redis_session ;;
    redis_pipeline) start_redis; capture redis_pipeline 6379 redis_pipeline ;;
    postgresql) start_postgresql; capture postgresql 5432 postgresql_session ;;
    postgresql_bench)
        start_postgresql
        as_postgres psql -X -q -c 'create table if not exists item (id serial primary key, name text)'
        capture postgresql_bench 5432 postgresql_bench ;;
    mysql) start_mysql; capture mysql 3306 mysql_session ;;
    mysql_prepared) start_mysql; capture mysql_prepared 3306 mysql_prepared ;;
    *) die "no capture $name" ;;
    esac
done
