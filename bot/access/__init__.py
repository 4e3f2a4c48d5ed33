"""Who may do what: roles and rights, members, invitations, requests to be let in.

Begin with `policy.Access.authorize`. `onboarding.py` lets people in, `members.py` has the commands of administrators.
"""
