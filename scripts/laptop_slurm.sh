#!/usr/bin/env bash
# A real Slurm on your own machine: a controller and two small nodes, to learn sbatch, arrays and salloc. See --help.
set -uo pipefail

usage() {
    cat <<'HELP'
Usage: bash scripts/laptop_slurm.sh start | status | stop | conf

Starts munge, slurmctld and two slurmd (node1, node2: 2 CPUs each) of the Debian or Ubuntu packages slurm-wlm and
munge as YOUR user; nothing needs root but installing them. All keys, logs and states lie in one folder. There are two
partitions: main, where jobs go by themselves, and urgent, whose jobs push those of main aside (try it: --partition=urgent).

  start    start what does not run yet and wait until both nodes are ready
  status   show which daemons run, nodes and jobs; exit code 1 where something is down
  stop     cancel all jobs and end the daemons; the logs stay
  conf     print the path of slurm.conf, for SLURM_CONF below
  --help   this text

Afterwards labkit finds it by itself (--site laptop); for Slurm's own commands type in each terminal:
  export SLURM_CONF=$(bash scripts/laptop_slurm.sh conf)
  sinfo

LABKIT_SLURM_DIR   the folder (.cache/laptop_slurm; /var/tmp/labkit-slurm-<uid> where that path is long or has spaces)
LABKIT_SLURM_PORT  the first of four free ports (27016)

Example:
  bash scripts/laptop_slurm.sh start && labkit run 01 --site laptop
HELP
}

say() { printf '[slurm] %s\n' "$*"; }
fail() { printf '[slurm] STOPPED: %s\n' "$*" >&2; exit 1; }

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DIR=${LABKIT_SLURM_DIR:-$ROOT/.cache/laptop_slurm}
# slurm.conf knows no spaces, and the path of a socket has at most 107 letters
if [ -z "${LABKIT_SLURM_DIR-}" ] && { [[ $DIR == *[[:space:]]* ]] || ((${#DIR} > 80)); }; then
    DIR=/var/tmp/labkit-slurm-$(id -u)
fi
CONF=$DIR/slurm.conf
PORT=${LABKIT_SLURM_PORT:-27016}
NODES=(node1 node2)
export PATH=$PATH:/usr/sbin:/sbin # Debian keeps daemons there, out of a user's PATH
export SLURM_CONF=$CONF
# inside a job of this very Slurm the tools would speak of that job, and these would hide jobs and nodes from them
unset "${!SLURM_JOB@}" "${!SQUEUE_@}" "${!SINFO_@}" "${!SCANCEL_@}" SLURM_CLUSTERS 2>/dev/null

require_programs() {
    local program missing=()
    for program in munged slurmctld slurmd sbatch sinfo scontrol; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    ((${#missing[@]} == 0)) && return
    local install="apt-get install -y --no-install-recommends slurm-wlm munge"
    ((EUID == 0)) || install="sudo $install"
    command -v apt-get >/dev/null || fail "${missing[*]} missing, and this is no Debian or Ubuntu: install Slurm and munge with your system's tool, or use a container of debian:12."
    fail "${missing[*]} missing; install them once with: $install   (without that right, ask the machine's administrator; everything else works as your own user)"
}

own_folder() { # make the folder, mode 700; whoever else could write into it could make every Slurm command load his code
    [ "${1-}" = make ] && mkdir -p "$(dirname "$DIR")" 2>/dev/null && mkdir -m 700 "$DIR" 2>/dev/null
    [ -e "$DIR" ] || [ -L "$DIR" ] || return 0
    [ -d "$DIR" ] && [ ! -L "$DIR" ] && [ -O "$DIR" ] && [ -z "$(find "$DIR" -maxdepth 0 -perm /022)" ] ||
        fail "$DIR is not a folder that you alone can write into, so nothing in it is trusted; set LABKIT_SLURM_DIR to another."
    chmod 700 "$DIR"
}

pid_of() { # the process of a daemon, where it lives: the number in its file may by now be another's
    local pid
    pid=$(cat "$DIR/$1.pid" 2>/dev/null) && [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null &&
        [[ "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)" == *"${1%%-*}"*"$DIR/"* ]] && printf '%s' "$pid"
}

any_runs() {
    local name
    for name in slurmctld slurmd-node1 slurmd-node2; do pid_of "$name" >/dev/null && return; done
    return 1
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

choose_ports() { # four ports in a row that nobody listens on
    local number
    for ((; PORT < 60000; PORT += 10)); do
        for number in 0 1 2; do port_is_free $((PORT + number)) || continue 2; done
        return
    done
    fail "no free ports were found above ${LABKIT_SLURM_PORT:-27016}; set LABKIT_SLURM_PORT."
}

write_conf() {
    local memory
    memory=$(awk '/^MemTotal/ { print int($2 / 1024 / 2) }' /proc/meminfo)
    cat >"$CONF" <<CONF
# Written by scripts/laptop_slurm.sh: a cluster of two nodes on one machine.
ClusterName=laptop
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$PORT
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool-%n
SlurmctldPidFile=$DIR/slurmctld.pid
SlurmdPidFile=$DIR/slurmd-%n.pid
SlurmctldLogFile=$DIR/slurmctld.log
SlurmdLogFile=$DIR/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=$((memory / 4))
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$DIR/finished_jobs.txt
ReturnToService=2
SlurmdParameters=config_overrides
LaunchParameters=send_gids
# Short times, so that lessons and tests need not wait:
SlurmctldTimeout=30
SlurmdTimeout=10
KillWait=15
MessageTimeout=10
InactiveLimit=0
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0
JobRequeue=1
# A job of the partition urgent takes the place of one of main, which gets TERM, has KillWait to save, and waits again:
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize=1001
NodeName=node[1-2] NodeHostname=localhost NodeAddr=127.0.0.1 Port=[$((PORT + 1))-$((PORT + 2))] CPUs=2 RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=node[1-2] Default=YES DefaultTime=60 MaxTime=INFINITE PriorityTier=1 State=UP
PartitionName=urgent Nodes=node[1-2] DefaultTime=60 MaxTime=INFINITE PriorityTier=2 PreemptMode=OFF State=UP
CONF
}

start_munge() {
    pid_of munged >/dev/null && return
    mkdir -p "$DIR/munge" && chmod 755 "$DIR/munge"
    [ -s "$DIR/munge.key" ] || { (umask 077 && head -c 128 /dev/urandom >"$DIR/munge.key"); chmod 400 "$DIR/munge.key"; }
    rm -f "$DIR/munge/munge.socket"*
    munged --force --key-file="$DIR/munge.key" --socket="$DIR/munge/munge.socket" --pid-file="$DIR/munged.pid" \
        --log-file="$DIR/munged.log" --seed-file="$DIR/munge.seed" >"$DIR/munged.start" 2>&1 ||
        fail "munged did not start: $(tail -n 1 "$DIR/munged.log" 2>/dev/null || tail -n 1 "$DIR/munged.start")"
}

start_daemon() { # name of its pid file, then the command
    local name=$1
    shift
    pid_of "$name" >/dev/null && return
    "$@" >"$DIR/$name.start" 2>&1 || fail "$name did not start: $(tail -n 1 "$DIR/$name.start") (log: $DIR/$name.log)"
}

wait_until_ready() {
    local second idle
    for ((second = 0; second < 60; second++)); do
        idle=$(timeout 5 sinfo --noheader --Node --partition=main --format='%T' 2>/dev/null | grep -cE '^(idle|mixed|allocated|completing)$')
        ((idle >= ${#NODES[@]})) && return
        # a node that was down when the daemons were last stopped comes back by hand
        ((second % 5 == 4)) && scontrol update nodename=node[1-2] state=resume >/dev/null 2>&1
        sleep 1
    done
    fail "the nodes are not ready after 60 s; look into $DIR/slurmctld.log and $DIR/slurmd-node1.log"
}

start() {
    local node
    require_programs
    [[ $DIR == *[[:space:]]* ]] && fail "the folder $DIR has a space in its name, which slurm.conf cannot hold; set LABKIT_SLURM_DIR."
    mkdir -p "$DIR/state" 2>/dev/null || fail "cannot write into $DIR; set LABKIT_SLURM_DIR to a folder of your own."
    if ! any_runs; then # a daemon that lives knows the ports of the file it has read
        choose_ports
        write_conf
    fi
    start_munge
    start_daemon slurmctld slurmctld -f "$CONF"
    for node in "${NODES[@]}"; do
        mkdir -p "$DIR/spool-$node"
        start_daemon "slurmd-$node" slurmd -f "$CONF" -N "$node"
    done
    wait_until_ready
    say "Two nodes are ready. labkit finds them by itself (--site laptop); for sinfo, squeue, sbatch type in each terminal:"
    printf 'export SLURM_CONF=%q\n' "$CONF"
}

status() {
    local name down=0
    for name in munged slurmctld slurmd-node1 slurmd-node2; do
        if pid_of "$name" >/dev/null; then say "$name runs ($(pid_of "$name"))"; else say "$name is down"; down=1; fi
    done
    if ((down)); then say "Start what is down with: bash scripts/laptop_slurm.sh start"; return 1; fi
    timeout 20 sinfo && timeout 20 squeue
}

stop() {
    local name pid second ending=()
    if pid_of slurmctld >/dev/null && command -v scancel >/dev/null; then
        timeout 20 scancel --user="$(id -un)" >/dev/null 2>&1
        for ((second = 0; second < 10; second++)); do
            [ -n "$(timeout 5 squeue --noheader 2>/dev/null)" ] || break
            sleep 1
        done
    fi
    for name in slurmd-node1 slurmd-node2 slurmctld munged; do
        pid=$(pid_of "$name") && kill "$pid" && ending+=("$pid")
    done
    for pid in ${ending[@]+"${ending[@]}"}; do
        for ((second = 0; second < 50; second++)); do
            kill -0 "$pid" 2>/dev/null || continue 2
            sleep 0.2
        done
        kill -KILL "$pid" 2>/dev/null
    done
    rm -f "$DIR"/*.pid "$DIR"/munge/munge.socket*
    say "Stopped. Logs: $DIR"
}

case ${1-} in
start) own_folder make && start ;;
status | stop) own_folder && "$1" ;;
conf) own_folder && printf '%s\n' "$CONF" ;;
-h | --help) usage ;;
"") usage; exit 2 ;;
*) printf '[slurm] STOPPED: unknown command %s; see bash scripts/laptop_slurm.sh --help.\n' "$1" >&2; exit 2 ;;
esac
