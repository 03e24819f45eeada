"""Tiny language models of Hugging Face's kind, written by its own classes, with random weights."""

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "o", "a", "pato", "rata", "come"]


def tokenizer(*, around):
    words = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    if around:
        words.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
    return words


def causal_folder(folder):
    torch.manual_seed(1)
    config = transformers.GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=2, n_head=2, n_positions=64)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(around=False), bos_token="[CLS]", eos_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)
    return folder


def masked_folder(folder):
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer(around=True),
        cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", unk_token="[UNK]", pad_token="[PAD]",
    ).save_pretrained(folder)  # fmt: skip
    return folder
