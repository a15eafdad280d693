"""D: data files, their cells, and tokenizers."""

from __future__ import annotations

from seobuilder.recipe.codes.code import Code

DATA: dict[str, Code] = {
    "D100": Code(
        "no data",
        "Something was asked for that needs data, and the recipe has no `data` section.",
        "Add `data` with `files` and `columns`.",
    ),
    "D101": Code(
        "no such file",
        "A file that the recipe names does not exist. Paths are relative to the recipe.",
        "Correct the path, or put the file there.",
    ),
    "D102": Code(
        "file outside of the recipe's folder",
        "The path leads out of the recipe's folder tree, perhaps over a link. A recipe reads "
        "nothing outside of it.",
        "Copy the file into the folder.",
    ),
    "D103": Code(
        "unknown kind of file",
        "Data is read from CSV (`.csv`), JSON lines (`.jsonl`, `.ndjson`) and Parquet "
        "(`.parquet`), told apart by the suffix.",
        "Export the table as one of these, or correct the suffix.",
    ),
    "D104": Code(
        "not UTF-8",
        "The file holds bytes that are not UTF-8 text.",
        "Save or export it as UTF-8; spreadsheets call it `CSV UTF-8`.",
    ),
    "D105": Code(
        "no rows",
        "The file is empty, or holds a header alone.",
        "Put at least one row into it, or take it out of the recipe.",
    ),
    "D106": Code(
        "column there twice",
        "Two columns of the header have the same name, so that a name does not say which is meant.",
        "Rename or delete one of them.",
    ),
    "D107": Code(
        "row of another length",
        "The row has more or fewer cells than the header. Often a comma stands in a text without "
        "quotes.",
        'Put the text in double quotes, or add what is missing: `"shoes, red",3`.',
    ),
    "D108": Code(
        "broken CSV",
        "The text is not CSV as RFC 4180 describes it; mostly a double quote is not closed, or "
        "stands within a text and is not doubled.",
        'Close the quote. Within quotes, write `""` for one.',
    ),
    "D109": Code(
        "broken JSON",
        "A line of a JSON lines file is not one JSON object, names a key twice, or holds `NaN` or "
        "`Infinity`, which JSON does not have.",
        'Write one object a line, such as `{"query": "shoes", "clicks": 3}`, and `null` for a '
        "missing value.",
    ),
    "D110": Code(
        "broken Parquet",
        "The file is not Parquet, is cut off, or holds text that is not UTF-8.",
        "Write it again.",
    ),
    "D111": Code(
        "column of an unusable type",
        "The recipe names a column of a Parquet file that holds neither text, numbers, truth "
        "values or dates, nor lists of them.",
        "Write the column as one of these, or name another one.",
    ),
    "D201": Code(
        "no such column",
        "The recipe names a column that the file does not have.",
        "Correct the name under `data.columns` or `data.group`, or in the file's header. Case and "
        "spaces count.",
    ),
    "D202": Code(
        "unknown label",
        "The cell holds a label that is not among the output's `labels`. With a count instead of "
        "a list, labels are whole numbers from 0.",
        "Correct the cell, or add the label to the end of the list: its order is the class index. "
        "An empty cell leaves the row out of this output's loss.",
    ),
    "D203": Code(
        "not a number",
        "The cell is not a number such as `0.5`, `1,234` or `3.2%`. A comma separates thousands; "
        "`0,5` is refused, because it may mean a half or five.",
        "Write a point before the decimals. An empty cell is a missing number.",
    ),
    "D204": Code(
        "cell of another form",
        "The cell is not the text, the list or the count of numbers that its input or output "
        "takes.",
        "Correct the cell. Several numbers stand in a JSON list or with spaces between, several "
        "labels in a JSON list or with `|` between.",
    ),
    "D205": Code(
        "empty cell",
        "The cell is empty, and nothing may stand in for what is missing.",
        "Fill the cell or delete the row. For features, `missing: mean` or `missing: zero` says "
        "what stands in.",
    ),
    "D206": Code(
        "unusable image",
        "The file is no image that can be read, or has another size, mode or number of channels "
        "than the input states. Images are not resized or converted.",
        "Convert the file beforehand: `.npy` with shape [channels, height, width], or PNG or JPEG.",
    ),
    "D207": Code(
        "column for an embedding output",
        "An embedding output has no labels: it is compared to the output that `contrast` names.",
        "Delete it from `data.columns`.",
    ),
    "D208": Code(
        "wrong number of columns",
        "The input or output needs one column, or one for each of its numbers, and another number "
        "of columns is named for it, or none.",
        "Correct the list under `data.columns`. Output columns are needed as well as inputs'.",
    ),
    "D209": Code(
        "can't be split",
        "A share of the rows is to be held out, but there are fewer than two rows, or with `group` "
        "fewer than two groups.",
        "Add rows, name the two files under `split`, or delete `split`.",
    ),
    "D212": Code(
        "label without rows",
        "No training row has the label, so that the model can't learn it. Told by "
        "`seobuild check --data` only.",
        "Add rows that have it, or delete it from `labels` if it was never meant to be there.",
    ),
    "D213": Code(
        "number out of its range",
        "A loss takes the number as a rate from 0 to 1, or as a weight of 0 or more.",
        "Correct the cell, or choose another `loss` for the output.",
    ),
    "D214": Code(
        "group torn by a stream",
        "With `data.streaming`, rows are read a block at a time, and a group must be in one "
        "block. Either a group comes up again after others, or it has more rows than a block.",
        "Sort the rows by the column of `group`, raise `data.streaming.rows`, or delete "
        "`streaming`.",
    ),
    "D215": Code(
        "class without rows in the first block",
        "With `data.streaming`, `class_weights: balanced` counts the rows of the first block. A "
        "label that has none there would weigh nothing in all others.",
        "Mix the rows of the file, raise `data.streaming.rows`, or list the weights.",
    ),
    "D301": Code(
        "not a tokenizer",
        "The file is not a `tokenizer.json` of the Hugging Face tokenizers library, or of a "
        "version of it that the installed one can't read.",
        "Save it with `Tokenizer.save`, or delete `tokenizer` and have one trained on the data.",
    ),
    "D302": Code(
        "tokenizer larger than the vocabulary",
        "The tokenizer gives ids for which the embedding table has no row.",
        "Raise `vocab_size` above the largest id that the message names.",
    ),
    "D303": Code(
        "vocabulary too small to train on",
        "A tokenizer that is trained here holds every byte and the padding token, so that no text "
        "loses a character: 257 entries at least.",
        "Raise `vocab_size` to 257 or more, or name a `tokenizer`.",
    ),
    "D304": Code(
        "padding id of a trained tokenizer",
        "A tokenizer that is trained here pads with id 0, and the recipe states another.",
        "Delete `padding_id`, or name the `tokenizer` that it belongs to.",
    ),
}
