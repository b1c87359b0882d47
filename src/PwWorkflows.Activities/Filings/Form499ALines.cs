namespace PwWorkflows.Activities.Filings;

/// <summary>What a text line of the form may hold.</summary>
internal enum LineKind { Text, FilerId, Frn, Ein, Email, Phone, State, Zip, Year, Month }

/// <summary>A line of Form 499-A that is copied from the order's answers or the carrier's record.</summary>
/// <param name="Line">Form line, with a part after a dot where the line has several boxes: <c>109.street</c>.</param>
/// <param name="Fields">Names of the field it comes from; the first that has a value wins.</param>
/// <param name="Kind">What it may hold.</param>
/// <param name="Required">Whether the form can't do without it.</param>
internal sealed record TextLine(string Line, string[] Fields, LineKind Kind = LineKind.Text, bool Required = false);

/// <summary>
/// The lines of FCC Form 499-A (47 CFR 54.711, 64.604(c)(5)(iii), 52.17, 52.32) as the 2026 form numbers them. Which line comes from which
/// field, and which lines add up to which.
/// </summary>
internal static class Form499ALines
{
    /// <summary>Block 3, carrier's carrier revenue (resale): lines 303 to 314.</summary>
    public static readonly IReadOnlyList<string> Block3 =
        ["303.1", "303.2", "304.1", "304.2", "305.1", "305.2", "306", "307", "308", "309", "310", "311", "312", "313", "314"];

    /// <summary>Block 4-A, end-user and non-telecommunications revenue: lines 403 to 418.</summary>
    public static readonly IReadOnlyList<string> Block4 =
    [
        "403", "404.1", "404.2", "404.3", "404.4", "404.5", "405", "406", "407", "408", "409", "410", "411", "412", "413", "414.1", "414.2", "415", "416",
        "417", "418.1", "418.2", "418.3", "418.4",
    ];

    /// <summary>Lines 418.1 to 418.3 are not telecommunications: a total only, no jurisdiction.</summary>
    public static readonly IReadOnlySet<string> TotalOnly = new HashSet<string> { "418.1", "418.2", "418.3" };

    /// <summary>Line 420, gross universal service contribution base: lines 403 to 411 and 413 to 417. Line 412 (foreign to foreign) is outside it.</summary>
    public static readonly IReadOnlyList<string> UsfBase = [.. Block4.Where(l => l != "412" && !l.StartsWith("418", StringComparison.Ordinal))];

    /// <summary>Line 512 before line 511 is taken off: the base of line 420 and line 418.4, non-interconnected VoIP (47 CFR 64.604(c)(5)(iii)(A)).</summary>
    public static readonly IReadOnlyList<string> TrsBase = [.. UsfBase, "418.4"];

    /// <summary>Block 5, the seven LNPA regions (47 CFR 52.32): lines 503 to 509.</summary>
    public static readonly IReadOnlyList<string> Regions = ["503", "504", "505", "506", "507", "508", "509"];

    /// <summary>Values of <c>line_105_primary</c> and <c>line_105_categories</c>.</summary>
    public static readonly IReadOnlyList<string> Categories =
    [
        "voip_interconnected", "voip_non_interconnected", "clec", "ilec", "local_reseller", "toll_reseller", "ixc", "wireless", "mvno", "prepaid_calling_card",
        "private_line", "satellite", "payphone", "osp", "shared_tenant", "audio_bridging", "toll_free", "paging", "smr", "fixed_wireless", "mobile_satellite", "other",
    ];

    /// <summary>Values of <c>filing_type</c>, line 612.</summary>
    public static readonly IReadOnlyList<string> FilingTypes = ["original", "registration", "revised_registration", "revised_revenue"];

    /// <summary>Check boxes of block 6 and the field each comes from.</summary>
    public static readonly IReadOnlyList<(string Line, string Field)> Flags =
    [
        ("603.usf", "exempt_usf"), ("603.trs", "exempt_trs"), ("603.nanpa", "exempt_nanpa"), ("603.lnp", "exempt_lnp"), ("603.itsp", "exempt_itsp"),
        ("604.gov", "is_state_local_gov"), ("604.501c", "is_tax_exempt_501c"), ("605", "nondisclosure_requested"),
    ];

    /// <summary>States, the District of Columbia and the territories of line 227.</summary>
    public static readonly IReadOnlySet<string> Jurisdictions = new HashSet<string>(
        ("AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY "
        + "AS GU MP PR VI").Split(' '));

    /// <summary>Lines that are copied.</summary>
    public static readonly IReadOnlyList<TextLine> Texts =
    [
        new("101", ["filer_id_499"], LineKind.FilerId, true),
        new("102", ["legal_name"], Required: true),
        new("103", ["ein"], LineKind.Ein, true),
        new("104", ["dba_name"]),
        new("106.1", ["affiliated_filer_name"]),
        new("106.2", ["affiliated_filer_ein"], LineKind.Ein),
        new("107", ["frn"], LineKind.Frn, true),
        new("108", ["management_company"]),
        .. Address("109", true, "hq"),
        .. Address("110", true, "customer_inquiry", "hq"),
        new("111", ["customer_inquiry_phone", "regulatory_contact_phone"], LineKind.Phone, true),
        new("112", ["trade_names"]),
        new("203", ["preparer_name", "regulatory_contact_name"], Required: true),
        new("204", ["preparer_phone", "regulatory_contact_phone"], LineKind.Phone, true),
        new("205", ["preparer_fax"], LineKind.Phone),
        new("206", ["preparer_email", "regulatory_contact_email"], LineKind.Email, true),
        new("207.name", ["corporate_contact_name", "regulatory_contact_name"], Required: true),
        .. Address("207", true, "corporate", "hq"),
        new("208.name", ["billing_contact_name", "regulatory_contact_name"], Required: true),
        new("208.email", ["billing_contact_email", "regulatory_contact_email"], LineKind.Email, true),
        .. Address("208", true, "billing", "hq"),
        new("209", ["dc_agent_name"], Required: true),
        new("210", ["dc_agent_phone"], LineKind.Phone, true),
        new("211", ["dc_agent_fax"], LineKind.Phone),
        new("212", ["dc_agent_email"], LineKind.Email, true),
        .. Address("213", true, "dc_agent"),
        new("214", ["alternate_agent_name"]),
        new("215", ["alternate_agent_phone"], LineKind.Phone),
        new("216", ["alternate_agent_fax"], LineKind.Phone),
        new("217", ["alternate_agent_email"], LineKind.Email),
        .. Address("218", false, "alternate_agent"),
        new("221.name", ["officer_1_name", "ceo_name"], Required: true),
        new("221.title", ["officer_1_title", "ceo_title"], Required: true),
        .. Address("222", true, "officer_1"),
        new("223.name", ["officer_2_name"]),
        new("223.title", ["officer_2_title"]),
        .. Address("224", false, "officer_2"),
        new("225.name", ["officer_3_name"]),
        new("225.title", ["officer_3_title"]),
        .. Address("226", false, "officer_3"),
        new("228.year", ["first_telecom_service_year"], LineKind.Year, true),
        new("228.month", ["first_telecom_service_month"], LineKind.Month, true),
        new("603.reason", ["exemption_reason"]),
    ];

    static TextLine[] Address(string line, bool required, params string[] prefixes) =>
    [
        new($"{line}.street", [.. prefixes.Select(p => p + "_street")], Required: required),
        new($"{line}.city", [.. prefixes.Select(p => p + "_city")], Required: required),
        new($"{line}.state", [.. prefixes.Select(p => p + "_state")], LineKind.State, required),
        new($"{line}.zip", [.. prefixes.Select(p => p + "_zip")], LineKind.Zip, required),
    ];
}
