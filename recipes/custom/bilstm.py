"""A BiLSTM over the encoder's vectors, as a head: one vector for a whole row, or one for each token."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import PreTrainedConfig

from ftcli.modeling.outputs import Outputs


class BiLSTM(nn.Module):
    """What `model.head_factory` names; `size` and `layers` come from `model.head_options`."""

    def __init__(self, config: PreTrainedConfig, outputs: Outputs, *, size: int = 64, layers: int = 1) -> None:
        super().__init__()
        self.per = outputs.per
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.lstm = nn.LSTM(config.hidden_size, size, layers, batch_first=True, bidirectional=True)
        self.scores = nn.Linear(2 * size, outputs.size)

    def forward(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits [rows, outputs], or [rows, length, outputs], of hidden [rows, length, size]."""
        lengths = attention_mask.sum(1).cpu()  # packed, so that the backward pass begins at a row's last token
        packed = pack_padded_sequence(self.dropout(hidden), lengths, batch_first=True, enforce_sorted=False)
        states, (last, _) = self.lstm(packed)
        if self.per == "row":
            vector = torch.cat((last[-2], last[-1]), dim=1)
        else:
            vector, _ = pad_packed_sequence(states, batch_first=True, total_length=hidden.shape[1])
        return self.scores(self.dropout(vector))
