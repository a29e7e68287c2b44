"""The few things the starter model is taught: word tables, and nothing but word tables.

Tables are written as text, so that a person reads them like a school book and adds a line
without meeting any code.
"""


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text without the room around them; empty ones do not count."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


def _pairs(text: str) -> dict[str, str]:
    """Read "left=right, left=right" lines into a table."""
    entries = (entry.strip() for entry in text.replace("\n", ",").split(","))
    return dict(entry.split("=", 1) for entry in entries if entry)


CAPITALS = _pairs("""
    France=Paris, Italy=Rome, Spain=Madrid, Germany=Berlin, Portugal=Lisbon, Ireland=Dublin
    Austria=Vienna, Greece=Athens, Norway=Oslo, Sweden=Stockholm, Finland=Helsinki, Poland=Warsaw
    Hungary=Budapest, Belgium=Brussels, Denmark=Copenhagen, Switzerland=Bern, Russia=Moscow
    Turkey=Ankara, Egypt=Cairo, Kenya=Nairobi, Morocco=Rabat, Ghana=Accra, Japan=Tokyo
    China=Beijing, India=New Delhi, Thailand=Bangkok, Vietnam=Hanoi, Nepal=Kathmandu
    Canada=Ottawa, Mexico=Mexico City, Cuba=Havana, Peru=Lima, Chile=Santiago, Brazil=Brasilia
    Argentina=Buenos Aires, Colombia=Bogota, Australia=Canberra, Iceland=Reykjavik
    England=London, the United States=Washington
""")

COLOURS = _pairs("""
    sky=blue, sea=blue, grass=green, leaf=green, frog=green, snow=white, milk=white, paper=white
    coal=black, night=black, blood=red, tomato=red, rose=red, sun=yellow, banana=yellow
    lemon=yellow, carrot=orange, pumpkin=orange, chocolate=brown, elephant=grey
""")

OPPOSITES = _pairs("""
    hot=cold, big=small, fast=slow, up=down, day=night, good=bad, open=closed, happy=sad, old=new
    wet=dry, light=dark, high=low, left=right, long=short, loud=quiet, rich=poor, hard=soft
    full=empty, early=late, strong=weak, clean=dirty, near=far, yes=no, true=false, black=white
    inside=outside, first=last, easy=difficult
""")

SOUNDS = _pairs("""
    dog=barks, cat=meows, cow=moos, duck=quacks, sheep=bleats, lion=roars, bird=sings
    frog=croaks, horse=neighs, pig=oinks, bee=buzzes, snake=hisses, wolf=howls, mouse=squeaks
""")

LEGS = _pairs("dog=four, cat=four, cow=four, duck=two, bird=two, bee=six, spider=eight, snake=no")

NUMBERS = words("""
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty
""")

DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

MONTHS = words("""
    January February March April May June July August September October November December
""")

NAMES = words("""
    Anna Ben Clara David Emma Felix Grace Hugo Ida Jonas Karl Lena Maria Nils Olga Paul Rosa
    Sam Tom Vera Alice Bob Carol Dan Eva Frank
""")

# Words that people send to see whether anything comes back.
TEST_WORDS = words("OK ok pong ping test done ready yes no banana apple Pointsman")

# Towns that are no capital of the table: the weather tool is asked about any place.
TOWNS = lines("""
    Hamburg
    Munich
    Milan
    Naples
    Seville
    Porto
    Lyon
    Nice
    Boston
    Chicago
    Denver
    Seattle
    San Francisco
    New York
    Los Angeles
    Toronto
    Sydney
    Mumbai
    Osaka
    Zurich
    Geneva
    Krakow
""")

SKIES = words("sunny rainy cloudy windy snowy foggy clear stormy")

LISTS = {
    "colours": ["red", "green", "blue"],
    "colors": ["red", "green", "blue"],
    "animals": ["dog", "cat", "cow"],
    "fruits": ["apple", "banana", "lemon"],
    "cities": ["Paris", "Rome", "Berlin"],
    "numbers": ["one", "two", "three"],
}

# What a person says, between bars -> the answer.
SMALL_TALK = {
    "Hello|Hi|Hey|Good morning|Hi there|Hello there|Good evening|Hey there|Say hello|Say hi": (
        "Hello! How can I help you today?"
    ),
    "How are you?|How are you today?|How do you do?|Are you well?": ("I am fine, thank you. How can I help you today?"),
    "Say hello in one word.|Reply with hello.|Just say hello.|Answer with hello": "Hello.",
    "Thanks|Thank you|Thank you very much|Thanks a lot|Great, thanks": "You are welcome.",
    "Goodbye|Bye|See you|Good night|Bye bye": "Goodbye! See you soon.",
    "Tell me a story.|Tell me a short story|Write a story.|Write a short story about a train.": (
        "Once upon a time a small train met a pointsman. He set the points, and the train took "
        "the right track. Everyone came home."
    ),
    "Tell me a joke.|Make me laugh.|Do you know a joke?": ("Why did the train stop? Because the pointsman told it to."),
    "Are you there?|Test|ping|Is anybody there?|Does it work?|Testing": "Yes. The pipes work.",
}

# What to do -> the body of a Python function that does it.
PYTHON = {
    "adds two numbers": "def add(a, b):\n    return a + b",
    "subtracts two numbers": "def subtract(a, b):\n    return a - b",
    "multiplies two numbers": "def multiply(a, b):\n    return a * b",
    "says hello": 'def hello():\n    print("Hello")',
    "returns the larger of two numbers": "def larger(a, b):\n    return max(a, b)",
    "checks if a number is even": "def is_even(n):\n    return n % 2 == 0",
    "reverses a string": "def reverse(text):\n    return text[::-1]",
    "squares a number": "def square(n):\n    return n * n",
    "counts the words in a text": "def count_words(text):\n    return len(text.split())",
}

# Beginnings and subjects of questions that a model of this size cannot answer; any pair will do.
HARD_STARTS = lines("""
    Explain
    Write a poem about
    Write an essay about
    Summarise the history of
    Prove a theorem about
    What do you think about
    Why do people like
    Who invented
    Give me advice about
    How do I repair
    What is the best book about
    Compare two theories of
    Who won the last prize for
    Plan a trip to
    How much does it cost to buy
    When did people first use
    Tell me everything about
    Find the bug in my code for
    Refactor my module for
    What is the future of
    How does one cook
    Write a SQL query for
    Design a system for
    What are the side effects of
    Who wrote
    Translate a letter about
    What is the meaning of
    Analyse
    Review my plan for
    How does
""")

HARD_SUBJECTS = lines("""
    quantum entanglement
    the stock market
    a diesel engine
    black holes
    rice with beans
    the moon
    distributed databases
    the French revolution
    climate change
    chess
    a mortgage
    jazz music
    the immune system
    my garden
    relativity
    taxes
    a bicycle
    the Roman empire
    deep learning
    sourdough bread
    the ocean
    contract law
    a login page
    poetry
    football
    philosophy
    Mars
    compilers
    prime numbers
    aspirin
    Hamlet
    a rate limiter
    love
    the world cup
    photosynthesis
    general anaesthesia
    a payment service
    volcanoes
    the internet
    opera
    memory leaks
    dreams
""")

# Lines from which system prompts of any length are put together.
SYSTEM_LINES = lines("""
    You are a helpful assistant.
    Answer in one short sentence.
    You are a coding agent.
    Be brief.
    Be polite and friendly.
    Use plain words.
    Never make up facts.
    Think before you answer.
    You work in the terminal of one person.
    Follow the rules of the project.
    Do not change files without a reason.
    If you do not know, say so.
    Keep the answer short.
    You can use tools when they help.
    Use a tool only when it is needed.
    Answer in English.
    The date of today is Monday, 3 March.
    The name of the user is Anna.
    You are a careful reviewer.
    Read the question twice.
    Write clean code with tests.
    Do not repeat the question.
    You are an expert in many fields.
    The user cannot see the output of the tools.
    Always tell the truth.
    Do not use emoji.
    Write Markdown where it helps.
    Prefer small changes.
    Ask when something is not clear.
    The working folder is ~/src/app.
    You are a friendly teacher.
    Stop when the work is done.
    Explain what you did at the end.
    Never show secrets, keys or passwords.
    You help people with their daily work.
""")
