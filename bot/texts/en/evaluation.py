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
    "command.eval": "Cases that are asked again before a change: /eval add (as a reply to an answer)",
    "eval.no_answer": "Reply to an answer of mine with /eval add.",
    "eval.added": "A case from now on. govorun eval asks it again; the answer must have:\n{must}",
    "eval.known": "This was a case already. From now on the answer must have:\n{must}",
    "eval.wish": "After /eval add: nothing (quotes and numbers must stay), refuse, contains TEXT, or not TEXT.",
    "eval.must.refuse": "a refusal, or a person",
    "eval.must.contain": "the words “{text}”",
    "eval.must.not": "not the words “{text}”",
    "eval.must.quote": "the quote “{text}”",
    "eval.must.tell": "the numbers {text}",
    "eval.must.answer": "an answer at all, in the language of the question",
    "eval.list": "Cases that were added here (/eval remove NUMBER):",
    "eval.list.none": "No case was added yet: reply to an answer with /eval add.",
    "eval.removed": "Case {number} is removed.",
    "eval.unknown": "There is no case {number}: /eval list",
    "eval.title": "Cases: {count}",
    "eval.no_run": "They were not asked yet: govorun eval",
    "eval.last": (
        "Last run: {right} of {count} right; against the one before {better} better, {worse} worse, {broken} broken."
    ),
    "eval.help": "/eval add as a reply to an answer makes it a case; /eval list shows those that were added.",
    "eval.origin.file": "from files",
    "eval.origin.added": "added here",
    "eval.origin.liked": "👍",
    "eval.origin.disliked": "👎",
    "eval.origin.gap": "questions without an answer",
    "eval.origin.gold": "from the knowledge base",
    "eval.origin.topic": "examples of topics",
    "eval.origin.code": "from code",
    "eval.changed": "Changed: {what}. Cases touched: {count}; govorun eval asks them again ({price}).",
    "eval.changed.routing": "topics",
    "eval.price": "about {price}",
    "eval.price.most": "at most {price}",
    "eval.version": (
        "{model} answers with another version now: {new} in place of {old}. Cases that can be "
        "asked again: {count}; govorun eval does it ({price})."
    ),
    "eval.night": (
        "Last night's run (cases: {count}): {worse} worse, {broken} broken, {unasked} not asked; {cost}.\n{names}"
    ),
    "eval.night.failed": "Last night's run could not begin: {reason}",
    "eval.why.code": "the check of the code says no",
    "eval.why.topic": "topic {topic}, not {wanted}",
    "eval.why.answered": "it is answered, and should be refused",
    "eval.why.refused": "it is refused",
    "eval.why.nothing": "there is no answer",
    "eval.why.language": "it is in {spoken}, not {wanted}",
    "eval.why.contains": "it does not say '{text}'",
    "eval.why.lacks": "it says '{text}'",
    "eval.why.numbers": "it does not tell {text}",
    "eval.why.disliked": "it is the answer that was disliked",
    "eval.why.citations": "its quotes do not stand in the sources: '{text}'",
    "eval.why.cites": "it does not cite {text}",
    "eval.why.quotes": "it does not quote '{text}'",
    "eval.why.late": "the search has it at place {rank}",
    "eval.why.unfound": "the search does not find it",
    "eval.why.gold": "it does not quote the sentence that answers",
    "eval.why.gone": "the source that it quotes is gone",
    "eval.why.page": "no source has the page {text}",
    "eval.why.source": "no source has '{text}'",
    "eval.why.changed": "the sources have changed since, and answer it now",
    "eval.why.purse": "the purse is empty",
    "trial.on": "Two versions of {name}: {share} % of conversations get the new one until {until}.",
    "trial.over": (
        "The trial of {name} is over ({share} % until {until}): all conversations have the version of before."
    ),
    "trial.version": (
        "{which} ({label}): answers {answers}, 👍 {liked}, no answer in the sources {refused}, to a person {handed}, "
        "a turn {cost}"
    ),
    "trial.old": "The current one",
    "trial.new": "The new one",
    "trial.differs": "They differ by more than chance.",
    "trial.same": "They do not differ by more than chance (yet).",
}
