"""An evaluation asks the bot a list of questions, each with what its answer must have, and compares the answers with
those of an earlier run. The search and the topics are measured with the same cases and results.

The questions are cases (`cases`) and come from files, judged answers, the knowledge base and topics (`collecting`).
They are answered without a chat (`replay`), the answers are checked by code (`checks`), two runs are compared
(`results`), and people read of it in a `report`. Nothing of this is imported before somebody uses it.
"""
