"""How fast ftcli is, beside what else would do the work: one script for each claim.

    python -m tests.benchmarks.speed.NAME [--rows N] [--rounds 3] [--data generated] [--json FILE]

| NAME | what is timed | beside |
| --- | --- | --- |
| `train_full` | training the whole model | Trainer as it comes and at its best, a plain PyTorch loop |
| `train_frozen` | training the two upper layers, 3 and 10 epochs, prefix cache cold and warm | Trainer, a plain loop |
| `resume_cost` | from asking for a resumed run to its first step | Trainer's `resume_from_checkpoint` |
| `prepare` | reading, checking, tokenising and storing rows | datasets' `load_dataset` and `map` |
| `predict` | labelling a file of rows | transformers' `pipeline` |
| `startup` | `--help`, a recipe with a mistake, a dry run, what each command imports | `import torch` |
| `memory` | the peak memory of `ftcli prepare` for few rows and for many | itself |
| `save_blocks` | how long a save holds up the loop | writing the same checkpoint and waiting for it |
| `matmul_share` | a training step's arithmetic | the fastest matrix product of this machine |

All of them: `for name in train_full train_frozen resume_cost prepare predict startup memory save_blocks matmul_share;
do OMP_NUM_THREADS=1 python -m tests.benchmarks.speed.$name; done`.

Contenders take turns on the same rows, in one process after a warm-up (`startup` and `memory`: whole processes), and
what is reported is the median of each and their ratio. Rows and model are made on the spot. `--data afqmc` or `mrpc`
takes real rows from the folder that FTCLI_REAL_DATA names, and the encoder that FTCLI_REAL_MODEL names, if it does.
Arithmetic is fp32 on all sides, on as many threads as torch takes (OMP_NUM_THREADS). On a busy
machine FTCLI_CLOCK=cpu counts processor time instead of that on the wall.
"""
