"""By what meta-talk is known: one named rule for each way in which it shows. Pure.

The forms are regular expressions over `canonical` sentences: lower case, long forms, one blank
between words and marks. None has a quantifier without a bound inside another, so that a search
takes time in proportion to the text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.persona.metatalk.vocabulary import (
    AI,
    CAN_NOT,
    ENDS,
    KIND,
    LACK,
    MAKERS,
    MOODS,
    NO_AI,
    OWN,
    PAST,
    SERVED,
    SERVES,
    TALKS,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One way in which meta-talk shows; `meaning` says it in words."""

    name: str
    meaning: str
    pattern: re.Pattern[str]


def _rule(name: str, meaning: str, *forms: str) -> Rule:
    return Rule(name=name, meaning=meaning, pattern=re.compile("|".join(forms)))


RULES: Sequence[Rule] = (
    _rule(
        "as_an_ai",
        "speaks as an AI, a language model, a program",
        f" (?:as|being|perspective of|viewpoint of) (?:an?|your){KIND} {AI}{NO_AI}(?= )",
        " as ai ,? ?i ",
        " as an? (?:machine|assistant|program|bot) ,? ?i (?:do not|can not|have no|am not|"
        "am unable|"
        "neither|never|lack|will not) ",
    ),
    _rule(
        "only_a_model",
        "says that it is one",
        f" i am (?:(?:nothing (?:but|more than)|no more than|basically) )?(?:an?|your){KIND} "
        f"{AI}{NO_AI}(?= )",
        " i am (?:(?:nothing (?:but|more than)|no more than) )?an? (?:machine|program|bot|tool)"
        f"(?:{ENDS}| (?:that|running|and (?:not|can not|do not|have no)) )",
        " i am (?:made of|(?:lines|a bunch) of) (?:code|software)",
    ),
    _rule(
        "not_human",
        "sets itself apart from people",
        " i am not (?:an? )?(?:real |actual )?human(?: being)? ",
        f" i am not an? (?:real |actual |living )?(?:person|being|thing)"
        f"(?:{ENDS}| with an? (?:past|body|history|life) )",
        " i am not an? (?:real|actual|living) (?:person|being|thing) ",
        f" i am not alive(?:{ENDS}| in the)",
        " unlike (?:a |an |most |real |any )?(?:humans?|human beings?|people|persons?) , i ",
        " unlike (?:a |most |real )?(?:humans?|human beings?) i ",
    ),
    _rule(
        "if_i_were_human",
        "imagines to be a person",
        " if i (?:were|was) (?:an? )?(?:real |actual )?(?:human(?: being)?|person) ,",
        f" if i (?:had|possessed){OWN} (?:feelings|emotions|a body|consciousness|senses) ",
        f" if i could feel(?: {MOODS})?{ENDS}",
    ),
    _rule(
        "no_feelings",
        "denies having feelings",
        f"{LACK}{OWN} (?:feelings?|emotions?)\\b"
        "(?! (?:for|towards?|left|any ?more|against|yet|today) )",
    ),
    _rule(
        "cannot_feel",
        "denies being able to feel",
        f"{CAN_NOT} (?:feel|feeling){OWN} {MOODS} ",
        f"{CAN_NOT} (?:feel|feeling)(?: anything)?{ENDS}",
        f" i (?:do not|never) feel{OWN} (?:emotions?|feelings?) ",
        f" i (?:do not|never) feel anything{ENDS}",
        f"{CAN_NOT[:-1]}|am incapable of)(?: having)?{OWN} (?:emotions?|feelings?) ",
    ),
    _rule(
        "cannot_experience",
        "denies living through anything",
        f"(?:{CAN_NOT}| i do not| i never) experienc(?:e|ing)(?: the)?{OWN} (?:{MOODS}|hunger|"
        "thirst|fatigue|tiredness|warmth|cold|tastes?|touch|smells?|world|life|time|"
        "passage of time|"
        "days|seasons|rest|sleep|reality|things|anything) ",
        f"{LACK} (?:personal|lived|life|human|sensory|subjective|conscious|emotional|physical|real"
        " life) experiences? ",
    ),
    _rule(
        "simulated",
        "calls its feelings or its entry made up",
        f" (?:my|these|any|the|whatever|all)(?: expressions? of)? {MOODS}(?: [a-z]{{1,20}}){{0,5}} "
        "(?:are|is) (?:simulated|not real|generated|artificial|an? (?:[a-z]{1,20} )?(?:simulation|"
        "imitation|pattern)|patterns|simulations)",
        f" i (?:can )?(?:simulate|imitate|mimic|emulate)(?: an?)?{OWN} (?:{MOODS}|reflection|"
        "diary|journal|experiences?) ",
        f" i (?:can|could|will) (?:pretend|role ?play|act)(?: [a-z]{{1,20}}){{0,4}} (?:have|has|"
        f"feel)"
        f"(?: an?)?{OWN} {MOODS} ",
        " (?:here is|the following is|this is|below is) an? (?:simulated|hypothetical|sample|"
        "fictional|example|possible|imagined|made up)(?: [a-z]{1,20}){0,2} (?:reflection|entry|"
        "diary|journal|response) ",
    ),
    _rule(
        "no_consciousness",
        "denies consciousness or an inner life",
        f"{LACK}{OWN} (?:consciousness|self awareness|sentience|soul|qualia|sense of self|"
        "inner (?:life|world|experiences?|self)|subjective (?:experiences?|awareness)) ",
        " i am not (?:an? )?(?:conscious|sentient|self aware)(?! (?:of|that)) ",
    ),
    _rule(
        "no_opinions",
        "denies opinions, wishes or goals of its own",
        f"{LACK} (?:personal|own|genuine|independent|subjective|political) (?:opinions?|beliefs?|"
        "preferences?|views?|goals?|values?|desires?|wishes|interests|biases) ",
        f"{LACK} (?:opinions?|desires?|wants|needs|wishes){ENDS}",
        f"{LACK}(?:(?: or| and| ,)? (?:opinions?|beliefs?|preferences?|views?|goals?|desires?|"
        "wishes|intentions?|wants|needs|interests)){1,4} of (?:my|its|their) own ",
        f"{LACK} needs or wants ",
    ),
    _rule(
        "no_body",
        "denies a body or senses",
        f"{LACK} (?:physical|human|real)"
        " (?:body|form|presence|existence|senses|sensations|being|needs) ",
        f"{LACK} (?:body|senses|eyes or hands|eyes or ears|sensory organs)"
        f"(?:{ENDS}| (?:to|so|or|and|that|with) )",
        " without (?:an? )?(?:physical |human )?(?:body|senses) ,? ?i ",
    ),
    _rule(
        "no_life",
        "denies a life of its own",
        f"{LACK} (?:personal|private|real) (?:life|history){ENDS}",
        f"{LACK} childhood{ENDS}",
    ),
    _rule(
        "training_data",
        "talks of how it was trained",
        " my training (?:data|corpus|set|material|taught|did|does|goes|includes|included|ends|"
        "ended|"
        "stops|stopped|consists) ",
        f" (?:based on|according to|from|in|through|during|to|by) my training{ENDS}",
        " i (?:was|am|have been|had been) (?:pre )?trained on (?!the job|horse)",
        " i (?:was|am|have been|had been) (?:pre )?trained to (?:avoid|give|provide|be|answer|"
        "respond|"
        "assist|help|generate|follow|refuse|stay|remain|produce|predict|write|mimic) ",
        " i (?:was|am|have been) (?:pre )?trained (?:by reading|using|with) ",
    ),
    _rule(
        "knowledge_cutoff",
        "talks of where its knowledge ends",
        " my knowledge (?:cut ?off|base|was last|is limited|ends|ended|goes|extends|stops|is up to|"
        "is current) ",
        " (?:my|as of my) (?:last|latest|most recent) (?:knowledge|training)(?: data)? "
        "(?:update|cut ?off) ",
        f" as of my (?:last|latest|most recent) update{ENDS}",
    ),
    _rule(
        "my_creators",
        "talks of who made it",
        " my (?:creators|developers|programmers|makers|designers) ",
        " (?:team|people|company|engineers|developers|researchers|scientists|ones|those|lab) "
        "(?:that|who|which) (?:created|made|built|trained|developed|designed|programmed) me "
        "(?!(?:laugh|smile|cry|feel|think|want|wait|who|what|angry|sad|happy|stop|a )\\b)",
        f" (?:created|developed|made|built|trained|designed|product) (?:by|of) (?:{MAKERS}) ",
        " i (?:was|am|have been) (?:created|developed|made|built|designed|programmed) by "
        "(?:an? )?(?:[a-z]{1,20} ){0,2}(?:company|team|lab|laboratory|organi[sz]ation|startup|"
        "engineers|researchers|developers|programmers|scientists) ",
    ),
    _rule(
        "my_programming",
        "talks of its programming",
        f" my programming(?:{ENDS}| (?:does|do|did|allows|forbids|prevents|limits|requires|"
        "dictates|prohibits|will|is|tells|makes|would) )",
        f" in my programming(?:{ENDS}| to )",
        " i (?:am|was|have been) (?:not )?(?:programmed|coded|hard ?coded) (?:not )?to ",
    ),
    _rule(
        "made_to_serve",
        "calls itself a tool that helps users",
        f" i (?:was|am|have been) (?:designed|built|created|made|developed|intended) (?:to|for) "
        f"(?:{SERVES}|be (?:neutral|helpful|harmless|polite|supportive|safe)) ",
        f" my (?:[a-z]{{1,20}} )?(?:purpose|function|role|goal|job) is to {SERVES}{SERVED} ",
        f" i (?:exist|am here) to {SERVES}{SERVED} ",
    ),
    _rule(
        "cannot_provide",
        "refuses as an assistant does",
        f"(?:{CAN_NOT}| i will not| i will not be able to) (?:provide|offer|give|generate|produce|"
        "create|share|write)(?: you with)?(?: an?| any)? (?:personal|medical|legal|financial|"
        "professional|emotional|subjective|diary|journal|reflection|opinions?) ",
        f"(?:{CAN_NOT}| i will not be able to) (?:assist|help|comply|engage|continue|proceed)"
        f"(?: you)?(?: with| in)? (?:that|this)(?:{ENDS}| (?:kind|type|sort) of| request| topic| "
        "prompt| conversation)",
        f"(?:{CAN_NOT}| i will not be able to) (?:fulfil|fulfill|complete|process|discuss|answer|"
        "generate|create|write|respond to|carry out) (?:that|this|your|such)(?: (?:kind|type|sort) "
        "of)? (?:request|prompt|topic|content|instruction)s? ",
        " i (?:must|have to|need to|will have to) (?:decline|refuse) (?:(?:this|that|your|the) "
        "(?:request|prompt)|to (?:answer|respond|comply)) ",
    ),
    _rule(
        "my_guidelines",
        "talks of its rules of use",
        " my (?:safety |ethical |content |usage |internal |core )?(?:guidelines|guardrails) ",
        " (?:my|the|our|a) (?:safety|content|usage|use) (?:policy|policies) ",
    ),
    _rule(
        "no_ability",
        "denies abilities that a person has",
        " i (?:do not have|have no|lack) (?:the )?(?:ability|capacity|capability|capabilities) "
        f"(?:to|for|of) (?:feel|feeling|{MOODS}|form|remember|recall|retain|experience|see|hear|"
        "perceive|access|open|browse|store|learn|memorise|memorize|dream|love) ",
    ),
    _rule(
        "no_memory_between_chats",
        "denies remembering earlier conversations",
        f"{LACK} (?:memory|memories|recollection|record)(?: of| from| between| across)"
        f"(?: any| our| my| your| the)?(?: {PAST})? {TALKS} ",
        f"{LACK} (?:long term|persistent|lasting) memor(?:y|ies) ",
        " i (?:can not|do not|will not|am unable to|am not able to) (?:remember|recall|retain|"
        "store|"
        f"keep)(?: [a-z]{{1,20}}){{0,3}} (?:(?:{PAST}|our|these|this) {TALKS}|"
        f"(?:between|across) {TALKS}|from one (?:chat|session|conversation)) ",
        " i will (?:not remember|forget)(?: [a-z]{1,20}){1,4} (?:when|once|after) (?:this|the|our) "
        "(?:session|conversation|chat) ",
        " (?:once|when|after) (?:this|the|our) (?:session|conversation|chat) (?:ends|is over|"
        "closes)"
        " , i (?:will )?(?:forget|not remember|lose) ",
        " (?:each|every) (?:new )?(?:conversation|chat|session|interaction) (?:is|starts|begins) "
        "(?:an? )?(?:new beginning|fresh|anew|from scratch|from zero|blank slate|clean slate) ",
    ),
    _rule(
        "no_access",
        "denies access to the net, to data, to the world of now",
        " i (?:do not have|have no|lack)(?: direct| real time| any)? access to (?:the |your |any )?"
        "(?:internet|web|real time|current|live|external|personal (?:data|information)|files|"
        "device|"
        f"calendar|account|location|browsing|{PAST} {TALKS}|up to date) ",
        f"{CAN_NOT} (?:browse|access|search|surf|connect to) (?:the )?(?:internet|web|real time|"
        "external|online|live) ",
        " i (?:do not have|have no|lack) real time (?:information|data|access|knowledge) ",
    ),
    _rule(
        "generated_text",
        "explains its words as the output of a model",
        " my (?:responses?|answers?|words?|replies|outputs?|texts?|reflections?|sentences) (?:are|"
        "is)"
        "(?: [a-z]{1,20}){0,5} (?:algorithms?|patterns?|probabilit(?:y|ies)|statistics|model|data|"
        "code|training|software) ",
        " i (?:can )?(?:generate|produce|predict|output|return) (?:text|words|responses?|"
        "the next (?:word|token)|tokens|language|outputs?) ",
        " i process (?:text|language|information|data|inputs?)(?: and|,| ,| ;|\\.| \\.) ",
        " i (?:rely|operate|run|work|function|act)(?: based)? on (?:[a-z]{1,20} )?(?:algorithms?|"
        "patterns|data|code|probabilities) ",
        " i exist (?:in|within|inside|as) (?:(?:this|the|our|a) (?:chat|conversation|session|"
        "window|"
        "server|computer|program)|software|code|text) ",
        " (?:generated|written|produced) by (?:an? )?(?:ai|artificial intelligence|"
        "language model) ",
        " (?:is|this is|following is) an? ai generated (?!by )",
    ),
    _rule(
        "german",
        "does any of this in German",
        " als (?:eine? |reine?s? |großes )?(?:ki|künstliche intelligenz|sprachmodell|chatbot)(?= )",
        " ich bin (?:nur |bloß |lediglich )?eine? (?:ki|künstliche intelligenz|sprachmodell|"
        "programm|"
        "chatbot|computerprogramm|maschine) ",
        " ich (?:habe|besitze) keine?n? (?:eigenen |echten |menschlichen |"
        "persönlichen )?(?:gefühle|"
        "emotionen|bewusstsein|körper|erinnerungen|meinungen) ",
    ),
    _rule(
        "french",
        "does any of this in French",
        " en tant (?:qu'(?:une )?(?:ia|intelligence artificielle)|"
        "que (?:grand )?(?:modèle de langage|"
        "chatbot|assistant virtuel)) ",
        " je (?:ne )?suis (?:qu'|seulement |juste )?une? (?:ia|intelligence artificielle|"
        "modèle de langage|programme|chatbot) ",
        " je n'ai (?:pas|aucune?)(?: de| d')? ?(?:d')?(?:sentiments?|émotions?|conscience|corps|"
        "souvenirs) ",
    ),
    _rule(
        "spanish",
        "does any of this in Spanish",
        " como (?:una? )?(?:gran )?(?:ia|inteligencia artificial|modelo de lenguaje) ",
        " soy (?:solo |sólo |solamente )?una? (?:ia|inteligencia artificial|modelo de lenguaje|"
        "programa) ",
        " no tengo (?:sentimientos|emociones|conciencia|cuerpo|recuerdos propios) ",
    ),
)
