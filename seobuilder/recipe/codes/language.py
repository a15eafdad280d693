"""R: the recipe's language, from bytes to a checked document."""

from __future__ import annotations

from seobuilder.recipe.codes.code import Code

LANGUAGE: dict[str, Code] = {
    "R001": Code(
        "not UTF-8",
        "The file holds bytes that are not UTF-8 text.",
        "Save the file as UTF-8.",
    ),
    "R002": Code(
        "file too large",
        "The file has more than 1 MiB (1,048,576 bytes). A recipe describes a model; it does not "
        "hold its data.",
        "Move lists such as labels to files of their own and name these files in the recipe.",
    ),
    "R003": Code(
        "control character",
        "The text holds a character that cannot be seen or that editors count as a line break "
        "and others do not.",
        "Delete the character, or write it as an escape within double quotes.",
    ),
    "R004": Code(
        "YAML syntax",
        "The text is not YAML.",
        "Mend the syntax at the position shown. Text with special characters goes in quotes.",
    ),
    "R005": Code(
        "nested too deep",
        "Mappings and lists are nested more than 64 levels deep.",
        "Flatten the document; no recipe needs more than ten levels.",
    ),
    "R006": Code(
        "too many nodes",
        "The document holds more than 100,000 keys, values and items together.",
        "Move long lists to files of their own.",
    ),
    "R007": Code(
        "several documents",
        "The file holds more than one YAML document.",
        "Keep one document in a file: delete the second `---` and what follows it.",
    ),
    "R008": Code(
        "empty document",
        "The file holds nothing but space and comments.",
        "Start with `version: 1` and `name:`, or with `seobuild new`.",
    ),
    "R009": Code(
        "not a mapping",
        "The document is a list or a single value; a recipe is a mapping of keys to values.",
        "Write `key: value` lines at the top level.",
    ),
    "R010": Code(
        "duplicate key",
        "The same key stands twice in one mapping; YAML readers differ in which of them counts.",
        "Delete or rename one of them.",
    ),
    "R011": Code(
        "anchor or alias",
        "YAML anchors (`&name`) and aliases (`*name`) are not part of the language: a reader "
        "should not have to search a file for what a value is.",
        "Write the value out, or use `same_as`, `ties`, `extends` or a preset. A pattern that "
        "begins with `*` goes in quotes.",
    ),
    "R012": Code(
        "merge key",
        "The YAML 1.1 merge key `<<` is not part of the language.",
        "Write the keys out, or use `extends`.",
    ),
    "R013": Code(
        "tag",
        "YAML tags (`!name`, `!!type`) are not part of the language: a recipe is plain data.",
        "Delete the tag. Text that begins with `!` goes in quotes.",
    ),
    "R014": Code(
        "key is not a string",
        "A key is a number, true, false, null, a list or a mapping.",
        "Put the key in quotes.",
    ),
    "R015": Code(
        "number out of range",
        "The number is infinite, not a number, too close to zero for a 64-bit float, or an integer "
        "outside of 64 bits.",
        "Write a finite number, or put the text in quotes if it is not meant to be a number.",
    ),
    "R016": Code(
        "directive",
        "The file begins with a YAML directive other than `%YAML 1.2`.",
        "Delete the line that begins with `%`.",
    ),
    "R030": Code(
        "malformed pattern",
        "A pattern is a glob over dotted names: `*` within one segment, `**` for any number of "
        "segments, `{a,b}` for alternatives, `<0-3>` for a range of indices. There are no regular "
        "expressions.",
        "Mend the pattern at the position shown.",
    ),
    "R040": Code(
        "malformed formula",
        "A formula holds numbers, variables, + - * / **, parentheses, sqrt(x), log(x), min(x, y) "
        "and max(x, y), in at most 200 characters and 20 levels.",
        "Mend the formula at the position shown.",
    ),
    "R041": Code(
        "unknown variable",
        "A formula uses a variable that does not exist where the formula is evaluated.",
        "Use one of the variables that the message lists, or write the number.",
    ),
    "R042": Code(
        "formula without a value",
        "A formula divides by zero, overflows, or takes a root or logarithm that is not a real "
        "number.",
        "Change the formula so that its value is a finite number for everything it applies to.",
    ),
    "R101": Code(
        "missing key",
        "The mapping at this place lacks a key that it can't do without. There is no default for "
        "it, because no value would suit most recipes.",
        "Add the key. `docs/reference.md` lists the keys of each kind and method.",
    ),
    "R102": Code(
        "unknown kind or method",
        "`kind` or `method` names something that does not exist.",
        "Take one of the names that the message lists.",
    ),
    "R103": Code(
        "wrong type",
        "The value is of another type than the key takes, such as text where a number belongs.",
        "Write a value of the type that the message names. `yes`, `no`, `on` and `off` are text; "
        "truth values are `true` and `false`. A number in quotes is text.",
    ),
    "R104": Code(
        "unknown key",
        "The key means nothing at this place. Nothing in a recipe is passed over in silence, so "
        "that a misspelt key can't leave its default in force.",
        "Correct the key, move it to where it belongs, or delete it. A rule takes only the "
        "arguments of its own method.",
    ),
    "R105": Code(
        "out of bounds",
        "A number is too small or too large, or a text or a list is too short or too long.",
        "Write a value within the bounds that the message names.",
    ),
    "R106": Code(
        "unknown choice",
        "The key takes one of a few words, and this is none of them.",
        "Take one of the words that the message lists.",
    ),
    "R107": Code(
        "malformed name",
        "A name of an input, a module or an output begins with a lower-case letter and goes on "
        "with lower-case letters, digits and underscores, 64 characters at most. It becomes part "
        "of the names of parameters.",
        "Rename it, there and wherever a `from` mentions it.",
    ),
    "R108": Code(
        "reserved name",
        "PyTorch's modules have an attribute of this name, which a module of yours would hide: "
        "`train`, `type`, `half` and the like.",
        "Choose another name, such as `query_type` instead of `type`.",
    ),
    "R111": Code(
        "keys that do not go together",
        "Each value is fine by itself, but they contradict each other, say the same thing twice, "
        "or leave out what one of them needs.",
        "Keep one of the two, or add what is missing, as the message says.",
    ),
    "R201": Code(
        "unknown name",
        "A `from`, `same_as`, `contrast` or a key of `data.columns` names something that is not "
        "there. `same_as` takes a module that owns its parameters, which another `same_as` does "
        "not.",
        "Correct the name, or add the input, module or output that it means.",
    ),
    "R202": Code(
        "used before it is there",
        "Modules are evaluated in the order in which they stand, and this one reads from a module "
        "that stands below it.",
        "Move the module that is read above the one that reads it.",
    ),
    "R203": Code(
        "unused",
        "Nothing reads from this input or module, so that it has no effect on any output.",
        "Name it in a `from`, or delete it.",
    ),
    "R204": Code(
        "name taken",
        "Inputs, modules and outputs share one namespace, and the name stands in it already.",
        "Rename one of the two.",
    ),
    "R206": Code(
        "unusable file",
        "A file that the recipe names is missing, unreadable, too large, or of another format. "
        "Paths are relative to the recipe and stay in its folder's tree, links followed, so that "
        "a recipe from somebody else can read nothing else of yours.",
        "Correct the path, or move the file into the recipe's folder.",
    ),
    "R207": Code(
        "can't extend",
        "`extends` names no readable recipe in this recipe's folder tree, or the recipes extend "
        "each other in a circle or more than eight deep.",
        "Correct the path. What two recipes share can move to a third that both extend.",
    ),
    "R208": Code(
        "unusable --set",
        "The text after `--set` is not `PATH=VALUE`, or the path leads through something that is "
        "not in the recipe. The last key of the path may be new, its parents may not.",
        "Write the path as it stands in the recipe, with dots between keys and list indices from "
        "0: `--set modules.encoder.depth=12`, `--set initialization.2.std=0.01`.",
    ),
    "R209": Code(
        "unknown preset",
        "No preset, or after `compare --init` no method either, has that name.",
        "Take one of the names that the message lists; `docs/presets.md` shows their rules.",
    ),
    "R210": Code(
        "input without a column",
        "The recipe has data, but `data.columns` does not say which column feeds this input.",
        "Add the input to `data.columns`.",
    ),
    "R211": Code(
        "file that nothing names",
        "`--file NAME=PATH`, or `files` in Python, gives a file that the recipe does not name. "
        "Given are weights and tokenizers, by exactly the name that the recipe has for them.",
        "Correct NAME to the recipe's `file:` or `tokenizer:`, or leave the file out.",
    ),
    "R212": Code(
        "no such metric",
        "Training is to stop by a metric that none of the recipe's outputs has. A metric is "
        "`loss`, the weighted sum of all losses, or one of an output, such as `intent.accuracy`.",
        "Name one of those that the message lists.",
    ),
    "R213": Code(
        "nothing to train",
        "No output of the recipe has a loss: an embedding is trained against the output that its "
        "`contrast` names, and others need labels.",
        "Give an embedding output a `contrast`, or add an output with labels.",
    ),
    "R214": Code(
        "nothing to stop by",
        "As often as `early_stopping.patience` allows, the metric to stop by had no value on the "
        "validation rows: the AUC of rows that all have one label, the rank correlation of answers "
        "that are all the same, a loss without labels or of weights that are not finite.",
        "Hold out more rows by `training.validation`, or stop by a loss, which one labelled row "
        "has.",
    ),
}
