"""Linear models on the rows of `search_intent`: what docs/training.md has beside its encoder.

    python benchmarks/linear.py

Needs the extra `benchmarks`. `seobuild train search_intent` measures the encoder on the same rows.
"""

from __future__ import annotations

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from seobuilder.data.encode import load_examples
from seobuilder.recipe.load import load_recipe


def main() -> None:
    """Train on the training rows, and print the accuracy on the test rows."""
    loaded = load_recipe("search_intent")
    examples = load_examples(loaded.recipe, loaded.folder)
    texts, labels = examples.texts["query"], examples.targets["intent"]
    train, test = ([texts[row] for row in rows] for rows in (examples.train, examples.test))
    pieces = {"analyzer": "char_wb", "ngram_range": (2, 5)}
    for name, features in {
        "words": TfidfVectorizer(),
        "words and pieces of them": make_union(TfidfVectorizer(), TfidfVectorizer(**pieces)),
    }.items():
        model = make_pipeline(features, LogisticRegression(C=10.0, max_iter=1000))
        model.fit(train, labels[examples.train])
        share = model.score(test, labels[examples.test])
        print(f"{name}: accuracy {share:.4f} on {len(test)} rows")


if __name__ == "__main__":
    main()
