#!/bin/bash
#SBATCH --job-name=collect
#SBATCH --output="/home/ann/out/job.out"
#SBATCH --dependency=afterany:12
#SBATCH --qos=dw87
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=00:10:00

# --- prepare the node; whatever fails here ends the job with a word
trap 'echo "On ${SLURMD_NODENAME:-$(hostname)} this failed: $(sed -n "${LINENO}p" "$0")"; exit 1' ERR
cd /home/ann/course
export HF_HUB_OFFLINE=1        # this node has no network: a download would hang
[ "${WANDB_MODE-}" != online ] || export WANDB_MODE=offline    # labkit sync uploads it later
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1}
trap - ERR

/home/ann/course/.venv/bin/python -m labrun.cli collect
