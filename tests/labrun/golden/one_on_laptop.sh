#!/bin/bash
#SBATCH --job-name=one
#SBATCH --comment=labkit:abc
#SBATCH --output=/home/ann/out/%a.out
#SBATCH --open-mode=append
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
#SBATCH --time=01:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@60

# --- prepare the node
cd /home/ann/course || exit 1
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}

# --- which run: the job's place in the array chooses
runs=(
  /home/ann/course/runs/one
)
run=${runs[${SLURM_ARRAY_TASK_ID:-0}]}
[ -e "$run/cancel" ] && { echo "$run was cancelled."; exit 1; }
rm -f "$run/stop"               # left by the attempt before

# --- run the notebook; what it says is in its own log
# USR1: the time limit is near; training sees this file after its next step, saves and ends.
# TERM: Slurm sends it to the runner as well, so only wait for it.
trap 'touch "$run/stop"' USR1
trap : TERM
/home/ann/course/.venv/bin/python -m labrun.runner.run "$run" >>"$run/logs/run.log" 2>&1 &
runner=$!
wait "$runner"; code=$?
# (a signal ends a wait, not the runner)
while kill -0 "$runner" 2>/dev/null; do wait "$runner"; code=$?; done
wait "$runner" 2>/dev/null; last=$?; [ "$last" -ne 127 ] && code=$last
echo "$run ended with exit code $code on ${SLURMD_NODENAME:-$(hostname)}."

# --- 75: it has saved and is not finished. Queue this job again, unless a person has cancelled it
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}
if [ "$code" -eq 75 ] && [ ! -e "$run/cancel" ]; then
  if [ "${SLURM_RESTART_COUNT:-0}" -ge 20 ]; then
    echo "It was restarted 20 times: labkit resume goes on by hand."
    exit "$code"
  fi
  for wait_s in 2 10 30 60; do    # the controller may be away for a moment
    state=$(squeue --noheader --jobs="$job" --format='%T %r') || { sleep "$wait_s"; continue; }
    # any other state: somebody used scancel, or Slurm itself queues it again
    case $state in RUNNING* | *TimeLimit*) ;; *) break ;; esac
    scontrol requeue "$job" && sleep 60    # Slurm ends this script here
    sleep "$wait_s"
  done
fi
exit "$code"
