using System.Text.Json.Nodes;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Orders;

namespace PwWorkflows.Activities.Tests.Filings;

/// <summary>A complete form of the sandbox's first carrier.</summary>
static class SampleForm
{
    public const string OrderNumber = "CO-1A2B3C4D";

    public static TelecomEntity Entity { get; } = new(1, "Sandbox Voice LLC")
    {
        Frn = "0031234567",
        FilerId499 = "831234",
        Fields = (JsonObject)JsonNode.Parse("""
            { "ein": "84-1234567", "dba_name": "Sandbox Voice", "entity_structure": "llc", "officer_count_claimed": 2,
              "hq_street": "100 Main St", "hq_city": "Austin", "hq_state": "TX", "hq_zip": "78701",
              "regulatory_contact_name": "Rita Regs", "regulatory_contact_phone": "512-555-0100", "regulatory_contact_email": "rita@sandboxvoice.test",
              "dc_agent_name": "Capitol Agents Inc", "dc_agent_phone": "202-555-0199", "dc_agent_email": "agent@capitol.test",
              "dc_agent_street": "1 K St NW", "dc_agent_city": "Washington", "dc_agent_state": "DC", "dc_agent_zip": "20005",
              "ceo_name": "Olivia Officer", "ceo_title": "Chief Executive Officer",
              "officer_1_street": "100 Main St", "officer_1_city": "Austin", "officer_1_state": "TX", "officer_1_zip": "78701",
              "officer_2_name": "Fred Finance", "officer_2_title": "Chief Financial Officer",
              "officer_2_street": "100 Main St", "officer_2_city": "Austin", "officer_2_state": "TX", "officer_2_zip": "78701",
              "jurisdictions_served": ["TX", "OK"], "first_telecom_service_year": 2019, "first_telecom_service_month": 5, "trade_names": "SandVoice" }
            """)!,
    };

    public static JsonObject Intake() => (JsonObject)JsonNode.Parse("""
        { "filing_year": 2026, "line_105_primary": "voip_interconnected", "line_105_categories": ["voip_interconnected", "local_reseller"], "filing_type": "original",
          "revenue": { "303.1": { "total": 12000, "interstate_pct": 25, "international_pct": 0 },
                       "404.4": { "total": 250001, "interstate_pct": 64.9, "international_pct": 1.5 },
                       "412": { "total": 500, "interstate_pct": 0, "international_pct": 100 },
                       "418.1": { "total": 7000 } },
          "uncollectible": { "421": { "total": 900, "interstate": 300, "international": 10 }, "422": { "total": 800, "interstate": 300, "international": 10 },
                             "513": { "total": 100, "interstate_international": 50 } },
          "block_5": { "503": { "block_3_pct": 0, "block_4_pct": 12.5 }, "509": { "block_3_pct": 100, "block_4_pct": 87.5 } },
          "exempt_trs": false, "nondisclosure_requested": true }
        """)!;

    public static Form499A Form(Action<JsonObject>? change = null)
    {
        var intake = Intake();
        change?.Invoke(intake);
        var (form, faults) = Form499AReader.Read(intake, Entity, 2026);
        Assert.Empty(faults);
        return form;
    }

    public static OfficerAuthorization Authorize(Form499A form, DateTimeOffset at) =>
        new("Olivia Officer", "Chief Executive Officer", "512-555-0101", "olivia@sandboxvoice.test", at, form.ValuesSha256());
}
