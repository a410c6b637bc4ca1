#!/bin/bash
#BSUB -J "many[1-4]%2"
#BSUB -o /home/ann/out/%I.out
#BSUB -n 8
#BSUB -W 240
#BSUB -gpu "num=1"
#BSUB -M 32G
#BSUB -r
#BSUB -Q "75"
#BSUB -wa USR1 -wt 3

# --- prepare the node
cd /home/ann/course || exit 1
export HF_HUB_OFFLINE=1        # this node has no network: a download would hang
[ "${WANDB_MODE-}" = online ] && export WANDB_MODE=offline    # labkit sync sends it later
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-8}

index=$(( ${LSB_JOBINDEX:-0} > 0 ? LSB_JOBINDEX - 1 : 0 ))
# --- which run: the job's place in the array chooses
runs=(
  '/home/ann/my runs/many-1'
  '/home/ann/my runs/many-2'
  '/home/ann/my runs/many-3'
  '/home/ann/my runs/many-4'
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
