#!/bin/bash
#SBATCH --job-name=one
#SBATCH --comment=labkit:abc
#SBATCH --output="/home/ann/out/%a.out"
#SBATCH --open-mode=append
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@60

# --- prepare the node; whatever fails here ends the job with a word
trap 'echo "On ${SLURMD_NODENAME:-$(hostname)} this failed: $(sed -n "${LINENO}p" "$0")"; exit 1' ERR
cd /home/ann/course
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
trap - ERR

# How the script of a job waits for its program, and queues its own job again. This text stands in every job that labkit
# writes, and scripts/sbatch_one.sh and scripts/train_ddp.sh read it.

wait_for() { # PID: wait until this process has ended; its exit code is then in $code
    local last
    wait "$1"; code=$?
    while kill -0 "$1" 2>/dev/null; do wait "$1"; code=$?; done # a signal ends a wait, not the process
    wait "$1" 2>/dev/null; last=$?; [ "$last" -ne 127 ] && code=$last
}

requeue() { # LIMIT: queue this job again, at most LIMIT times; returns where that cannot or should not be done
    local job state wait_s
    unset "${!SQUEUE_@}" # a user's own filters would hide this job
    case $0 in */slurm_script) ;; *) return ;; esac # inside salloc, and without Slurm, there is no such job
    job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
    job=${job:-$SLURM_JOB_ID}
    if [ "${SLURM_RESTART_COUNT:-0}" -ge "$1" ]; then
        echo "Restarted $1 times already: labkit resume continues it by hand."
        return
    fi
    for wait_s in 2 10 30 60; do # the controller may be away for a moment
        state=$(squeue --noheader --jobs="$job" --format='%T %r') || { sleep "$wait_s"; continue; }
        case $state in RUNNING* | *TimeLimit*) ;; *) return ;; esac # ended by scancel, or queued again by Slurm itself
        echo "Saved; the job is queued again."
        scontrol requeue "$job" && { sleep 60; return; } # Slurm ends this script here
        sleep "$wait_s"
    done
}

# --- which run: the job's index in the array chooses
runs=(
  /home/ann/course/runs/one
)
run=${runs[${SLURM_ARRAY_TASK_ID:-0}]}
[ -e "$run/cancel" ] && { echo "$run was cancelled."; exit 1; }
rm -f "$run/stop"               # left by the attempt before

# --- run the notebook; its output is in its own log
# USR1: the time limit is near; training sees this file after its next step, saves and ends.
# TERM: Slurm sends it to the runner as well, so only wait for it.
trap 'touch "$run/stop"' USR1
trap : TERM
/home/ann/course/.venv/bin/python -m labrun.runner.run "$run" >>"$run/logs/run.log" 2>&1 &
wait_for $!
echo "$run ended with exit code $code on ${SLURMD_NODENAME:-$(hostname)}."

# --- 75: it has saved and is not finished. Queue this job again, unless a person has cancelled the run
[ "$code" -eq 75 ] && [ ! -e "$run/cancel" ] && requeue 20
exit "$code"
