#!/bin/bash
#BSUB -J "one"
#BSUB -o /home/ann/out/job.out
#BSUB -n 1
#BSUB -W 60
#BSUB -r
#BSUB -Q "75"
#BSUB -wa USR1 -wt 1

# --- prepare the node
cd /home/ann/course || exit 1
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}

index=$(( ${LSB_JOBINDEX:-0} > 0 ? LSB_JOBINDEX - 1 : 0 ))
# --- which run: the job's place in the array chooses
runs=(
  /home/ann/course/runs/one
)
run=${runs[$index]}
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

exit "$code"
