# shellcheck shell=bash disable=SC2034
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
