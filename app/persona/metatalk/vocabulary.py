"""The pieces of which the forms of the rules are made. Pure."""

MAKERS = "openai|anthropic|google|deepmind|microsoft|meta|mistral|alibaba|deepseek|nvidia"
AI = (
    "(?:ais?|a\\.i\\.|artificial intelligence|(?:large )?language model|llm|gpt|chat ?bot|"
    "neural network|"
    "computer program|software program|machine learning (?:model|system|algorithm)|"
    "(?:virtual|digital|automated|conversational) (?:assistant|agent|system)|"
    "(?:piece of )?software|text generator|computer system|algorithm)"
)
KIND = (
    "(?: (?:ai|large|advanced|mere|helpful|text|based|conversational|artificial|virtual|digital|"
    "trained|simple|very|unfeeling|sophisticated|powerful)){0,3}"
)
NO_AI = (
    "(?! (?:researcher|engineer|student|ethicist|teacher|professor|lecturer|expert|specialist|"
    "enthusiast|sceptic|skeptic|critic|company|startup|course|class|conference|developer|tester|"
    "scientist|consultant|policy|writer|journalist|lab|project|safety|architect|manager|trainer|"
    "sales\\w{0,9}|team|club|firm|vendor|user|fan|novel|film|story|in (?:her|his|their) eyes))"
)
LACK = (
    " i (?:do not (?:have|possess|hold|own|carry)|have(?: got)? (?:no|zero)|have not(?: got)?|lack|"
    "never (?:have|had)|possess no|hold no|am (?:without|devoid of))"
    "(?: (?:any|an?|the|my))?"
)
OWN = (
    "(?: (?:personal|real|genuine|human|true|own|lived|subjective|inner|conscious|emotional|actual|"
    "innate|physical|intrinsic|independent|individual|such|authentic)){0,2}"
)
CAN_NOT = (
    " i (?:can not|could never|can never|am unable to|am not able to|am not capable of|"
    "am incapable of)"
)
MOODS = (
    "(?:emotions?|feelings?|moods?|sensations?|joy|sadness|happiness|sorrow|grief|love|pain|"
    "pleasure|"
    "fear|anger|envy|pride|loss|regret|empathy|compassion|loneliness|longing|jealousy|relief|"
    "excitement|boredom|guilt|shame)"
)
PAST = "(?:past|previous|prior|earlier|former|last|older)"
TALKS = "(?:conversations?|chats?|sessions?|interactions?|exchanges?|discussions?|dialogues?)"
ENDS = "(?= [.,;:!?—–)-])"
SERVES = (
    "(?:assist|help|provide|answer|support|respond|generate|process|serve|offer|simulate|follow)"
)
SERVED = (
    "(?: (?:you|users?|people|with|(?:your )?questions?|(?:helpful |accurate |useful )?"
    "(?:information|answers?|responses?|assistance|support|text)))"
)
