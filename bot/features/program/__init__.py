"""What a programmer's code asks of the running bot: `running.py` joins the parts, `messages.py` sends, `jobs.py` plans
and runs, `models.py` asks models, `lifespan.py` opens what the code needs.
"""
