"""Whisper's encoder with an output layer for CTC: transformers has no such class.

So this file is saved with the weights: it needs only torch and transformers, `save_pretrained` copies it into the
model's folder, and `AutoModelForCTC.from_pretrained(folder, trust_remote_code=True)` reads it from there. vizinho
itself registers the class instead, and runs no code of a folder.

Whisper (Radford et al. 2022, arXiv 2212.04356) reads windows of 30 s, silence included, without a mask. As a CTC
encoder it reads the utterance alone: positions are counted from its start, and padding is masked.
"""

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCTC, PreTrainedModel, WhisperConfig
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_outputs import CausalLMOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder


class WhisperCTCConfig(WhisperConfig):  # type: ignore[misc]
    """Whisper's configuration; vocab_size and pad_token_id (the blank) are those of the output layer."""

    model_type = "whisper_ctc"


class WhisperForCTC(PreTrainedModel):  # type: ignore[misc]
    """Log-mel frames (B, T, F) to logits (B, T', V), T' half of T rounded up."""

    config_class = WhisperCTCConfig
    base_model_prefix = "encoder"
    main_input_name = "input_features"
    _supports_sdpa = True

    def __init__(self, config: WhisperCTCConfig) -> None:
        super().__init__(config)
        self.encoder = WhisperEncoder(config)
        self.dropout = nn.Dropout(config.dropout)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size)
        self.post_init()

    def forward(
        self,
        input_features: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: object,
    ) -> CausalLMOutput:
        """`attention_mask` (B, T) is true on real frames; `labels` (B, L) are padded with -100."""
        encoder = self.encoder
        if attention_mask is None:
            attention_mask = torch.ones(input_features.shape[:2], dtype=torch.bool, device=input_features.device)
        # Padding is zero before each convolution, as at the end of an unpadded utterance.
        inside = attention_mask.bool()[:, None]
        hidden = nn.functional.gelu(encoder.conv1(input_features.transpose(1, 2) * inside))
        hidden = nn.functional.gelu(encoder.conv2(hidden * inside)).transpose(1, 2)
        inside = inside[:, 0, ::2]  # the second convolution has stride 2
        hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
        hidden = nn.functional.dropout(hidden, p=encoder.dropout, training=self.training)
        mask = create_bidirectional_mask(config=self.config, inputs_embeds=hidden, attention_mask=inside)
        for layer in encoder.layers:
            if self.training and encoder.layerdrop > 0.0 and float(torch.rand([])) < encoder.layerdrop:
                continue
            hidden = layer(hidden, mask)
        logits = self.lm_head(self.dropout(encoder.layer_norm(hidden)))
        loss = None if labels is None else self._loss(logits, inside, labels)
        return CausalLMOutput(loss=loss, logits=logits)

    def _loss(self, logits: torch.Tensor, inside: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean of the CTC loss per label, so that Hugging Face's Trainer can continue training."""
        real = labels >= 0
        return nn.functional.ctc_loss(
            logits.float().log_softmax(dim=-1).transpose(0, 1),
            labels.masked_select(real),
            inside.sum(dim=1),
            real.sum(dim=1),
            blank=self.config.pad_token_id,
        )


def register() -> None:
    """Let transformers know the class, and let `save_pretrained` copy this file beside the weights."""
    AutoConfig.register(WhisperCTCConfig.model_type, WhisperCTCConfig, exist_ok=True)
    AutoModelForCTC.register(WhisperCTCConfig, WhisperForCTC, exist_ok=True)
    WhisperCTCConfig.register_for_auto_class()
    WhisperForCTC.register_for_auto_class("AutoModelForCTC")
