"""Invoices into records, in nightly and hourly batches: Mistral, checked by DeepSeek."""

from spanledger_server.demo.plan import Failure, Model, Scope
from spanledger_server.demo.spec import Agent, Tool

MISTRAL_SMALL = Model("mistral_ai", "mistral-small-latest", "mistral-small-latest", 150)
DEEPSEEK = Model("deepseek", "deepseek-chat", "deepseek-chat", 60, cache="implicit")

EXTRACTION = Agent(
    name="invoice-extractor",
    flow="batch",
    service="document-intake",
    version="5.1.0",
    team="finance",
    share=0.12,
    models=((MISTRAL_SMALL, 1.0),),
    helper=DEEPSEEK,
    helper_share=0.55,
    framework=Scope("traceloop.tracer", "", "openllmetry"),
    client=Scope("opentelemetry.instrumentation.mistralai", "0.62.4", "openllmetry"),
    helper_client=Scope("opentelemetry.instrumentation.openai.v1", "0.62.4", "openllmetry"),
    turns=(1, 1),
    rounds=(1, 1),
    schema_tokens=240,
    system_prompt=(
        "Extract the invoice into JSON with the keys supplier, invoice_no, issued_on, due_on, "
        "currency, net, tax, gross, iban, lines[{text, quantity, unit_price}]. Amounts are "
        "decimal strings with a point. Use null for what the document does not say. Return JSON "
        "alone."
    ),
    tools=(
        Tool(
            name="store_record",
            description="Write an extracted invoice to the accounting inbox.",
            arguments={"invoice_no": "$invoice_no", "supplier": "$supplier"},
            results=('{"stored": true, "record": "AP-$n5", "duplicate": false}',),
            failures=(
                Failure("IntegrityError", "invoice number exists already for this supplier"),
            ),
            failure_share=0.06,
        ),
    ),
    openings=(
        "$supplier\nInvoice $invoice_no\nDate: $n.10.2026  Due: 30 days net\nPos 1  $goods  $n "
        "pcs  @ $n.40 EUR\nPos 2  freight  1 x 18.00 EUR\nPos 3  $goods, spare set  $n pcs @ "
        "$n.15 EUR\nNet $n4.20 EUR  VAT 19%  Gross $n4.58 EUR\nIBAN DE$n5 $n4 $n4 $n4\nThank you "
        "for your order.",
        "RECHNUNG $invoice_no / $supplier\nLeistungszeitraum September\n$goods, $n Stunden zu "
        "$n.00 EUR\nReisekosten pauschal $n.50 EUR\nSumme netto $n4.00 EUR zzgl. 19% "
        "USt\nZahlbar bis $n.11.2026",
    ),
    followups=(
        "Check this extraction against the document. List every field that differs, or answer OK.",
    ),
    thoughts=(),
    answers=(
        '{"supplier": "$supplier", "invoice_no": "$invoice_no", "issued_on": "2026-10-$n", '
        '"due_on": null, "currency": "EUR", "net": "$n4.20", "tax": "$n.94", "gross": "$n4.58", '
        '"iban": "DE$n5", "lines": [{"text": "$goods", "quantity": "$n", "unit_price": "$n.40"}]}',
    ),
    slots={
        "supplier": (
            "Nordkabel GmbH",
            "Bergmann Logistik",
            "Aldous & Pratt Ltd",
            "Vermeer Packaging",
        ),
        "invoice_no": ("R-2026-0918", "INV 77120", "2026/4471", "V-55019", "R-2026-1103"),
        "goods": ("cable drum 50 m", "pallet transport", "carton 40x30x20", "maintenance work"),
    },
    outcomes={"completed": 0.93, "failed": 0.05, "escalated": 0.02},
    task_prefix="DOC",
    user_prefix="batch",
    users=2,
    temperature=0.0,
    max_tokens=1200,
)
