"""Who may do what with the bot: roles, permissions, members, invitations and requests for access.

Begin with `policy.Access.authorize`. `onboarding.py` lets people in, `members.py` has the commands of administrators.
"""
