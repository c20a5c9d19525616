"""Market research with sub-agents: Anthropic models with prompt caching, OpenTelemetry GenAI."""

from spanledger_server.demo.plan import Failure, Model, Scope
from spanledger_server.demo.spec import Agent, Tool

SONNET = Model("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 70, cache="explicit")
HAIKU = Model("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001", 140, cache="explicit")

SEARCH_WEB = Tool(
    name="search_web",
    description="Search the web; returns titles, addresses and excerpts.",
    arguments={"query": "$topic $aspect", "limit": "8"},
    results=(
        "1. $publisher: '$topic, $n months on'. Volumes rose by $pct percent year on year; the "
        "authors credit $aspect. 2. Trade register note on $topic: $n new entrants, $n exits. 3. "
        "$publisher interview: buyers name $aspect as the main obstacle, before price. 4. Annual "
        "report of the largest supplier: margins in $topic fell to $pct percent. 5. Conference "
        "slides: outlook for $topic until 2030, three scenarios, the middle one at $pct percent "
        "yearly growth. 6. Forum thread of installers on $aspect, $n replies, mostly sceptical.",
        "1. $publisher survey of $n firms on $topic: $pct percent expect shortages. 2. Statistics "
        "office, table on $topic by region, last updated $n weeks ago. 3. Working paper: effect of "
        "$aspect on $topic, elasticity 0.$n. 4. $publisher: who buys, who waits. 5. Short note on "
        "subsidies that touch $aspect; paid out so far: $n million EUR.",
    ),
    failures=(Failure("RateLimitedError", "search quota of 30 requests per minute is used up"),),
    failure_share=0.04,
    duration_s=(0.5, 2.4),
)

RESEARCH = Agent(
    name="research-agent",
    flow="research",
    service="research-assistant",
    version="2.3.1",
    team="strategy",
    share=0.14,
    models=((SONNET, 1.0),),
    helper=HAIKU,
    helper_share=1.0,
    framework=Scope("opentelemetry.instrumentation.genai.langchain", "1.3b0", "genai"),
    client=Scope("opentelemetry.instrumentation.genai.anthropic", "1.3b0", "genai"),
    inner_client=Scope("com.anthropic.sdk.python", "2.11.0", "anthropic_native"),
    inner_share=0.35,
    turns=(1, 4),
    rounds=(2, 4),
    schema_tokens=2350,
    system_prompt=(
        "You are a research lead. Break the question into two or three independent parts, give "
        "each to a sub-agent with a precise brief, then write one page that states what is "
        "known, how sure you are, and which figures contradict each other. Cite a source for "
        "each figure. Say plainly what could not be found. Prefer primary sources: registers, "
        "statistics offices, annual reports. Do not repeat a search that has already been made."
    ),
    tools=(
        SEARCH_WEB,
        Tool(
            name="read_page",
            description="Fetch a page and return its text.",
            arguments={"url": "https://www.example.org/reports/$hex"},
            results=(
                "$publisher. The report counts $n thousand units in the last quarter, $pct percent "
                "more than a year before. Half of it went to three buyers. The authors expect "
                "$aspect to matter more than price from next year on, and warn that the sample of "
                "$n firms leans towards larger ones. Method: telephone interviews, weighted by "
                "turnover. Tables 3 to 5 break the numbers down by region and by size of buyer.",
            ),
            failures=(Failure("HTTPStatusError", "403 Forbidden for url www.example.org"),),
            failure_share=0.09,
            duration_s=(0.7, 4.0),
        ),
    ),
    openings=(
        "How is the market for $topic in Europe developing, and what role does $aspect play?",
        "We consider entering $topic. Who are the suppliers, how do they earn, and where does "
        "$aspect hurt them?",
        "Compare three forecasts for $topic until 2030 and explain why they differ on $aspect.",
    ),
    followups=(
        "Go deeper on $aspect: which numbers are measured and which are guesses?",
        "Add a paragraph on the two largest suppliers and their margins.",
        "Which of these sources would you not rely on, and why?",
    ),
    thoughts=(
        "The figures so far disagree by a factor of two; I need the primary source.",
        "I have the demand side. Next: what suppliers report about $aspect.",
        "One more query to confirm the regional split.",
    ),
    answers=(
        "Summary. Demand for $topic grew by about $pct percent within a year; two independent "
        "sources agree within three points. $aspect is named as the main obstacle by most "
        "buyers, ahead of price. Forecasts diverge because one counts retrofits and the others "
        "do not. Confidence: medium, since the only survey with regional data leans towards "
        "large firms. Open: margins of the second supplier, which does not publish segment "
        "figures.",
        "Findings on $topic. First, volume: $n thousand units per quarter. Second, structure: "
        "three buyers take half of it. Third, $aspect: costs fell by $pct percent, but "
        "installers report longer lead times. The two reports that contradict this rest on data "
        "older than a year. I would plan with the middle scenario and look again after the next "
        "quarterly figures.",
    ),
    slots={
        "topic": (
            "residential heat pumps",
            "used battery trading",
            "cold-chain logistics",
            "agrivoltaics",
            "refurbished medical devices",
            "bicycle leasing",
        ),
        "aspect": (
            "permit times",
            "financing cost",
            "spare part supply",
            "skilled labour",
            "take-back rules",
        ),
    },
    fresh={"publisher": ("Handelsblatt", "Eurostat", "Reuters", "Bruegel", "McCloy Research")},
    outcomes={"completed": 0.86, "failed": 0.06, "abandoned": 0.08},
    task_prefix="RES",
    user_prefix="analyst",
    users=14,
    stream_share=0.3,
    max_tokens=4096,
)
