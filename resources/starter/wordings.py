"""How people ask: one wording a line, the common ones twice; names in braces are filled in."""

from facts import lines

CAPITAL = lines("""
    What is the capital of {country}?
    What is the capital of {country}?
    What is the capital of {country}?
    What's the capital of {country}?
    Capital of {country}?
    The capital of {country} is?
    {country} capital?
    Tell me the capital of {country}.
    Name the capital of {country}.
    Which city is the capital of {country}?
    What city is the capital of {country}?
    What is {country}'s capital?
    Do you know the capital of {country}?
    What is the capital city of {country}?
    Which town is {country}'s capital?
    Give me the capital of {country}.
    {country}'s capital?
    {country}: what is the capital?
    Where is the government of {country}?
    In {country}, what is the capital?
""")

COLOUR = lines("""
    What {colour} is the {thing}?
    What {colour} is the {thing}?
    What is the {colour} of the {thing}?
    What is the {colour} of the {thing}?
    Which {colour} does the {thing} have?
    What {colour} is a {thing}?
    Tell me the {colour} of the {thing}.
    Which {colour} is the {thing}?
    {colour} of the {thing}?
    The {thing} has which {colour}?
    {thing}: which {colour}?
    The {colour} of the {thing} is?
    {thing} {colour}?
    In what {colour} do I paint a {thing}?
""")

OPPOSITE = lines("""
    What is the opposite of {word}?
    What is the opposite of {word}?
    What's the opposite of {word}?
    Opposite of {word}?
    Tell me the opposite of {word}.
    Give me the opposite of {word}.
    What is the opposite of the word {word}?
    Name the opposite of {word}.
    {word}: opposite?
    {word} and its opposite?
    If it is not {word}, what is it?
    Which word is the opposite of {word}?
    Say the opposite of {word}.
    For the word {word}, what is the opposite?
    The opposite of {word} is?
""")

SOUND = lines("""
    What sound does a {animal} make?
    What does a {animal} say?
    What noise does a {animal} make?
    How does a {animal} sound?
    Which sound does the {animal} make?
    Tell me what sound a {animal} makes.
    What does the {animal} say?
    {animal} sound?
    Which noise does a {animal} make?
    How does the {animal} go?
    A {animal} makes which sound?
    {animal}: what sound?
    What can you hear when a {animal} is near?
    Tell me what a {animal} says.
    Which sound comes from a {animal}?
""")

LEGS = lines("""
    How many legs does a {animal} have?
    How many legs has a {animal}?
    Number of legs of a {animal}?
""")

CALENDAR = lines("""
    What {unit} comes {side} {name}?
    Which {unit} is {side} {name}?
    What {unit} is {side} {name}?
""")

ABOUT = lines("""
    Who are you?
    Who are you?
    What are you?
    What is your name?
    What's your name?
    Which model are you?
    What model is this?
    Are you ChatGPT?
    Are you Claude?
    Are you a real model?
    Are you human?
    Are you an AI?
    Who made you?
    What is Pointsman?
    What is this?
    What can you do?
    Tell me about yourself.
    Introduce yourself.
    How smart are you?
    How many parameters do you have?
    Can you help me?
    Help
""")

COUNT = lines("""
    Count to {last}.
    Count from 1 to {last}.
    Count up to {last}.
    Can you count to {last}?
    Count from one to {last}.
""")

SUM = lines("""
    What is {left} plus {right}?
    What is {left} + {right}?
    {left} + {right}
    {left}+{right}=
    How much is {left} plus {right}?
    Add {left} and {right}.
    What's {left}+{right}?
""")

PYTHON = lines("""
    Write a Python function that {task}.
    Write a Python function that {task}.
    Write a function that {task} in Python.
    Python function that {task}?
    Give me a Python function that {task}.
    Show me Python code that {task}.
    Write code in Python that {task}.
    In Python, write a function that {task}.
    Can you write a Python function that {task}?
""")

ECHO = lines("""
    Say: {text}
    Repeat: {text}
    Say the words: {text}
    Repeat after me: {text}
    Say {text}
    Please repeat this: {text}
    Reply with exactly: {text}
    Reply with the word {text}
    Reply with {text}
    Answer with {text}
    Say the word {text}
    Just say {text}
""")

NAME = lines("""
    My name is {name}. What is my name?
    I am {name}. Who am I?
    Hello, my name is {name}. What is my name?
""")

JSON_CAPITAL = lines("""
    Give the capital of {country} as JSON.
    What is the capital of {country}? Answer in JSON.
    The capital of {country} in JSON, with the keys country and capital.
    {country} as JSON with its capital.
    Return JSON with the country {country} and its capital.
""")

JSON_PERSON = lines("""
    {name} is {age} years old. Give it as JSON.
    Write as JSON with the keys name and age: {name}, {age}.
""")

JSON_LIST = lines("""
    List three {kind} as a JSON array.
    Give me three {kind} as JSON.
""")

# What a model of this size cannot know.
HARD = lines("""
    {start} {subject}?
    {start} {subject}?
    {start} {subject}?
    {start} {subject}?
    {start} {subject}.
    {start} {subject}.
    {start} {subject}.
    {start} {subject}.
    {start} {subject} and {other}.
    What is the capital of {land}?
    What color is a {land}?
    What colour is a {land}?
    Who is {name} {land}?
    When was {name} {land} born?
    What is {land}?
    Explain {land}.
    What is {large} times {small}?
    What is {large} plus {small}?
    What is {large} minus {small}?
    What is the weather in {town}?
    {land} {land} {name} {land}
    Why is the {thing} {shade}?
    {start} this: {junk}
    {start} this: {junk}
    Review this: {junk}
    {junk}
    {junk} {start} {subject}?
""")

WEATHER = lines("""
    What is the weather in {city}?
    What is the weather in {city}?
    What's the weather in {city}?
    Weather in {city}?
    How is the weather in {city} today?
    What is the weather like in {city}?
    Tell me the weather in {city}.
    Is it raining in {city}?
    Do I need an umbrella in {city}?
    Use the tool to get the weather in {city}.
    Get the weather in {city}.
    What is the weather in {city} right now?
    How warm is it in {city}?
    Is it sunny in {city}?
    {city}: what is the weather?
""")

TITLE = lines("""
    Write a title for this conversation.
    Write a short title for this conversation.
    Generate a title for this conversation.
    Give this conversation a title.
    Summarise this conversation in a few words.
    What is a good title for this conversation?
""")
