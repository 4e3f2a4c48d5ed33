"""The use of models by the support desk: when they write drafts and translations, what is done with these, and which
purse pays.
"""
