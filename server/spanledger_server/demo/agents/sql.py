"""Questions to a warehouse: Gemini writes SQL, traced by OpenLLMetry."""

from spanledger_server.demo.plan import Failure, Model, Scope
from spanledger_server.demo.spec import Agent, Tool

GEMINI_FLASH = Model(
    "gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash", 190, cache="implicit", has_reasoning=True
)

SQL = Agent(
    name="sql-analyst",
    flow="assistant",
    service="warehouse-chat",
    version="1.7.2",
    team="data",
    share=0.15,
    models=((GEMINI_FLASH, 1.0),),
    framework=Scope("traceloop.tracer", "", "openllmetry"),
    client=Scope("opentelemetry.instrumentation.google_generativeai", "0.62.4", "openllmetry"),
    turns=(2, 8),
    rounds=(1, 3),
    schema_tokens=1480,
    system_prompt=(
        "You answer questions about sales with SQL on the warehouse. Tables: orders(order_id, "
        "placed_at, country, channel, net_eur), order_lines(order_id, sku, quantity, net_eur), "
        "returns(order_id, sku, returned_at, reason), customers(customer_id, since, segment). "
        "Always filter by date. Never select more than 500 rows. Explain the result in two "
        "sentences and show the query you ran."
    ),
    tools=(
        Tool(
            name="run_query",
            description="Run a read-only SQL query and return the rows as CSV.",
            arguments={
                "sql": (
                    "SELECT $dimension, sum(net_eur) AS net_eur, count(*) AS orders FROM orders "
                    "WHERE placed_at >= now() - INTERVAL '$n days' GROUP BY $dimension "
                    "ORDER BY net_eur DESC LIMIT 20"
                )
            },
            results=(
                "$dimension,net_eur,orders\nDE,$n5.20,$n4\nGB,$n5.75,$n4\nNL,$n5.10,$n4\nFR,$n5.90,"
                "$n4\nAT,$n4.30,$n\n(5 rows, $n ms)",
                "$dimension,net_eur,orders\nweb,$n5.40,$n4\napp,$n5.00,$n4\nstore,$n4.85,$n\n(3 "
                "rows, $n ms)",
            ),
            failures=(
                Failure("ProgrammingError", 'column "net_amount" does not exist'),
                Failure("QueryCanceled", "canceling statement due to statement timeout"),
            ),
            failure_share=0.11,
            duration_s=(0.2, 6.0),
        ),
        Tool(
            name="describe_table",
            description="Columns, types and row count of a table.",
            arguments={"table": "$table"},
            results=(
                "$table: $n5 thousand rows, partitioned by month. order_id bigint not null; "
                "placed_at timestamptz not null; country char(2); channel text; net_eur "
                "numeric(12,2).",
            ),
        ),
    ),
    openings=(
        "What were net sales by $dimension in the last $n days?",
        "Which $dimension has the highest return rate this quarter, and is it getting worse?",
        "Show me how average order value by $dimension changed since the price update.",
    ),
    followups=(
        "Exclude orders below 10 EUR and run it again.",
        "Same thing by week instead of in total, please.",
        "Why does this differ from the number in the monthly report?",
        "Break the top row down by $other.",
    ),
    thoughts=(
        "",
        "First the columns of $table.",
        "The column name was wrong; corrected query follows.",
    ),
    answers=(
        "Net sales are led by the first row with $pct percent of the total; the rest is spread "
        "evenly. Compared with the period before, the order count rose by $n percent while the "
        "average order value stayed flat.",
        "The return rate is highest where delivery takes longest: $pct percent against $n percent "
        "overall. It has not become worse within the last $n weeks; the peak in the chart is a "
        "single bulk return.",
        "The difference to the monthly report comes from cancelled orders: the report counts "
        "them until they are credited, this query does not. Without them both give the same "
        "total to the cent.",
    ),
    slots={
        "dimension": ("country", "channel", "segment", "sku"),
        "other": ("week", "customer segment", "payment method"),
        "table": ("orders", "order_lines", "returns"),
    },
    outcomes={"completed": 0.9, "failed": 0.05, "abandoned": 0.05},
    task_prefix="ASK",
    user_prefix="employee",
    users=60,
    temperature=0.0,
    max_tokens=2048,
)
