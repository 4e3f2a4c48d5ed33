"""What a programmer has added to the way of an update: middleware, commands, buttons, dialogues. Begin with
`answers.py`, which ends the turn with what a handler returned.
"""
