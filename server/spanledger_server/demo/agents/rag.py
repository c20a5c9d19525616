"""Questions to the staff handbook: embeddings, retrieval and an answer, all in LlamaIndex."""

from spanledger_server.demo.plan import Model, Scope
from spanledger_server.demo.spec import Agent

EMBEDDING = Model("openai", "text-embedding-3-small", "text-embedding-3-small", 1.0)
GPT_41_MINI = Model("openai", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 110, cache="implicit")

RAG = Agent(
    name="rag-bot",
    flow="rag",
    service="handbook-bot",
    version="3.0.5",
    team="people",
    share=0.18,
    models=((GPT_41_MINI, 1.0),),
    helper=EMBEDDING,
    helper_share=1.0,
    framework=Scope("openinference.instrumentation.llama_index", "4.3.9", "openinference"),
    client=Scope("openinference.instrumentation.openai", "0.1.66", "openinference"),
    # The framework's own span of a call becomes the outer one, the client's the inner.
    inner_client=Scope("openinference.instrumentation.openai", "0.1.66", "openinference"),
    inner_share=0.3,
    turns=(1, 6),
    rounds=(3, 6),
    schema_tokens=0,
    system_prompt=(
        "Answer questions about the staff handbook from the passages given and from nothing else. "
        "Name the section you rely on. If the passages do not answer the question, say so and name "
        "the team that can help."
    ),
    tools=(),
    openings=(
        "How many days of $subject do I get in my first year?",
        "Who has to approve $subject, and how long before?",
        "Does the rule on $subject also hold for the office in $office?",
    ),
    followups=(
        "And if I work part time?",
        "Where do I find the form?",
        "Is that different in $office?",
        "What happens to unused days at the end of the year?",
    ),
    thoughts=(),
    answers=(
        "According to section $n.$n, $subject is granted from the first month on, pro rata in "
        "the first year. Your lead approves it in the people portal; two weeks' notice is the "
        "rule, shorter notice needs a reason. For $office one local rule differs: see the annex.",
        "Section $n.$n answers this: part-time staff get $subject in proportion to their weekly "
        "hours, rounded up to half days. The form is in the portal under Absences.",
        "The passages do not say so for $office. The people team can tell you; please ask in their "
        "channel and mention section $n.$n.",
    ),
    slots={
        "subject": (
            "parental leave",
            "training leave",
            "remote work abroad",
            "sabbatical",
            "volunteer days",
        ),
        "office": ("Hamburg", "Utrecht", "Leeds", "Graz"),
    },
    fresh={
        "passage": (
            "Section $n.$n. Requests are made in the people portal and approved by the direct "
            "lead. Requests of more than ten working days need the approval of the department as "
            "well and should be made two months ahead. A refusal must be explained in writing.",
            "Section $n.$n. In the year of joining, entitlement is granted pro rata from the "
            "first full month. Unused days may be carried over until 31 March; afterwards they "
            "lapse, unless illness or parental leave prevented taking them.",
            "Annex $n. Local rules. Public holidays follow the place of the office named in the "
            "contract. Work from another country is possible for up to $n days a year inside the "
            "EU, once tax and social insurance have been cleared.",
            "Section $n.$n. Part-time employees receive the same benefits in proportion to their "
            "agreed weekly hours. Half days are rounded up. Changes of hours take effect on the "
            "first of the following month.",
        ),
    },
    outcomes={"completed": 0.88, "escalated": 0.07, "abandoned": 0.05},
    task_prefix="HBK",
    user_prefix="employee",
    users=120,
    stream_share=0.5,
    silent_share=0.06,
    temperature=0.1,
    max_tokens=500,
)
