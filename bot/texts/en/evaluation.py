"""What owners and admins read about cases, versions of models, trials and instances, in English."""

TEXTS = {
    "instance.down": "{model} does not answer: its instance does not run ({reason}).",
    "instance.other": "{model} answers meanwhile.",
    "instance.nobody": "No other model stands in for it; a row of MODELS names one (stand_in).",
    "instance.last": (
        "It last answered: {when}. Instances are started in the console of AI Studio; the bot tries it again by itself."
    ),
    "instance.never": "not yet",
    "instance.back": "{model} answers again.",
    "usage.instance": "· {model}, paid by the hour: {hours} h, {cost}",
    "usage.instance.unknown": "· {model}: paid by the hour, not counted here (hours in MODELS)",
}
