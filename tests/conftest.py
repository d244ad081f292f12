"""One thread: the tests' tensors are small, and several of them waiting for each other's threads are slow."""

import torch

torch.set_num_threads(1)
