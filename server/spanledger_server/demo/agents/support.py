"""Customer support of an outdoor shop: OpenAI models behind LangChain, traced by OpenInference."""

from spanledger_server.demo.plan import Failure, Model, Scope
from spanledger_server.demo.spec import Agent, Tool

GPT_4O_MINI = Model("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 95, cache="implicit")
GPT_4O = Model("openai", "gpt-4o", "gpt-4o-2024-08-06", 80, cache="implicit")
# A fine-tune on an own gateway that speaks the OpenAI protocol: no public price exists.
INTENT_MODEL = Model("openai", "harborline-intent-v3", "harborline-intent-v3", 180)

SUPPORT = Agent(
    name="support-agent",
    flow="assistant",
    service="support-desk",
    version="4.12.0",
    team="customer-care",
    share=0.36,
    models=((GPT_4O_MINI, 0.7), (GPT_4O, 0.3)),
    helper=INTENT_MODEL,
    helper_share=0.22,
    framework=Scope("openinference.instrumentation.langchain", "0.1.80", "openinference"),
    client=Scope("openinference.instrumentation.openai", "0.1.66", "openinference"),
    turns=(5, 15),
    rounds=(0, 2),
    schema_tokens=870,
    system_prompt=(
        "You are the support agent of Harborline, an outdoor equipment shop. Look orders up "
        "before you answer. Refunds up to 150 EUR you may issue yourself; above that, escalate "
        "to a human. Return window: 60 days, worn footwear excepted. Answer in at most five "
        "sentences, friendly and concrete, and never promise a delivery date that the carrier "
        "has not confirmed."
    ),
    tools=(
        Tool(
            name="search_orders",
            description="Find orders of a customer by order number or e-mail.",
            arguments={"order_id": "$order_id"},
            results=(
                '{"order_id": "$order_id", "status": "shipped", "item": "$item", "total_eur": '
                '$n.90, "carrier": "$carrier", "tracking": "HL$n5", "shipped_days_ago": $n}',
                '{"order_id": "$order_id", "status": "delivered", "item": "$item", "total_eur":'
                ' $n.50, "delivered_days_ago": $n, "signed_by": "neighbour"}',
            ),
            failures=(Failure("TimeoutError", "orders-api did not answer within 5 s"),),
            failure_share=0.03,
        ),
        Tool(
            name="track_parcel",
            description="Ask the carrier for the last known position of a parcel.",
            arguments={"carrier": "$carrier", "order_id": "$order_id"},
            results=(
                '{"carrier": "$carrier", "last_scan": "$city sorting centre", "hours_ago": $n,'
                ' "state": "in transit"}',
                '{"carrier": "$carrier", "last_scan": "$city depot", "state": "held: address'
                ' incomplete", "hours_ago": $n}',
            ),
            failures=(Failure("CarrierError", "$carrier answered 502 Bad Gateway"),),
            failure_share=0.06,
            duration_s=(0.4, 2.6),
        ),
        Tool(
            name="issue_refund",
            description="Refund an order in part or in full.",
            arguments={"order_id": "$order_id", "amount_eur": "$n", "reason": "$problem"},
            results=('{"refund_id": "RF-$n5", "amount_eur": $n, "state": "accepted"}',),
            failures=(Failure("PolicyError", "amount exceeds what an agent may refund"),),
            failure_share=0.08,
        ),
        Tool(
            name="lookup_policy",
            description="Read a section of the returns and warranty policy.",
            arguments={"topic": "$problem"},
            results=(
                "Section 4.$n: goods that are faulty on arrival are replaced free of charge; the "
                "customer needs no original packaging. Photos help but are not required.",
                "Section 7.$n: unused goods may be returned within 60 days. Return shipping is "
                "free for members and 4.90 EUR otherwise.",
            ),
        ),
    ),
    openings=(
        "Hi, my order $order_id ($item) was supposed to be here days ago. Where is it?",
        "Hello, the $item from order $order_id arrived with a problem: $problem. What now?",
        "I would like to return the $item from $order_id, it is $problem.",
        "Order $order_id says delivered, but I have no $item. Can you check with $carrier?",
    ),
    followups=(
        "I checked with the neighbours in $city already, nobody has it.",
        "How long will the refund take to show up on my card?",
        "Could you send the replacement to my office in $city instead?",
        "I do not have the original box any more, is that a problem?",
        "And what about the second parcel of the same order?",
        "That is the third time this happens. Can I talk to somebody?",
        "Fine. Please also check whether the $item is still available in a larger size.",
        "Thanks, one more thing: can I still change the payment method?",
    ),
    thoughts=(
        "Let me look that up for you.",
        "One moment, I am checking the order and the carrier.",
        "I will see what our policy says about this.",
    ),
    answers=(
        "I am sorry about that. $carrier last scanned the parcel in $city, so it is still "
        "moving. If nothing has changed by tomorrow evening, write to me again and I will start "
        "a trace with them.",
        "Thank you for your patience. I have noted the problem ($problem) on order $order_id and a "
        "replacement for the $item is reserved. You will get the label by e-mail within the hour.",
        "The refund of $n EUR for order $order_id is on its way. Cards usually take three to five "
        "working days, wallets are faster. You may keep the item.",
        "You need no original box. Put the $item into any sturdy carton, fix the label on top and "
        "hand it in at a $carrier shop; I can see $n of them near $city.",
        "I understand that this is annoying. I have passed the case on to a colleague in the care "
        "team, who will call you back today; the notes of this conversation are attached.",
    ),
    slots={
        "order_id": ("HB-204417", "HB-198830", "HB-211095", "HB-207762", "HB-199314", "HB-215508"),
        "item": (
            "Ridgeline 45 backpack",
            "Tarn two-person tent",
            "Fell Pro hiking boots",
            "Kestrel down jacket",
            "Brae rain shell",
            "Cairn trekking poles",
            "Loch dry bag",
        ),
        "carrier": ("DHL", "DPD", "GLS", "PostNord"),
        "city": ("Hamburg", "Leeds", "Utrecht", "Lyon", "Malmö", "Graz"),
        "problem": ("torn seam", "wrong size", "broken zip", "missing pegs", "never arrived"),
    },
    outcomes={"completed": 0.74, "escalated": 0.15, "abandoned": 0.08, "failed": 0.03},
    task_prefix="TCK",
    user_prefix="customer",
    users=400,
    stream_share=0.6,
    silent_share=0.05,
    temperature=0.3,
    max_tokens=600,
)
