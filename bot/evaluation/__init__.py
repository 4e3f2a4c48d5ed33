"""An evaluation asks the bot a list of questions, each with what its answer must have, and compares the answers with
those of an earlier run.

The questions are cases (`cases`) and come from files, judged answers, the knowledge base and topics (`collecting`).
They are answered without a chat (`replay`), the answers are checked by code (`checks`), and two runs are compared
(`report`). Nothing of this is imported before somebody uses it.
"""
