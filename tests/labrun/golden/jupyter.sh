#!/bin/bash
#SBATCH --job-name=jupyter
#SBATCH --comment=labkit:abc
#SBATCH --output="/home/ann/my runs/.jupyter/lab/job.out"
#SBATCH --qos=dw87
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --time=04:00:00
#SBATCH --gres=gpu:a100:1
#SBATCH --no-requeue

# --- prepare the node; whatever fails here ends the job with a word
trap 'echo "On ${SLURMD_NODENAME:-$(hostname)} this failed: $(sed -n "${LINENO}p" "$0")"; exit 1' ERR
cd /home/ann/course
export HF_HUB_OFFLINE=1        # this node has no network: a download would hang
[ "${WANDB_MODE-}" != online ] || export WANDB_MODE=offline    # labkit sync uploads it later
export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-8}
trap - ERR

exec /home/ann/course/.venv/bin/python -m labrun.jupyter '/home/ann/my runs/.jupyter/lab'
