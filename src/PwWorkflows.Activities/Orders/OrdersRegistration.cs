using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Payments;

namespace PwWorkflows.Activities.Orders;

/// <summary>Registers orders, payments and the doors to fulfilment.</summary>
public static partial class OrdersRegistration
{
    /// <summary>Adds <see cref="IOrders"/> and what the payment and order activities need. Needs <see cref="Data.IPwDatabase"/> and an HTTP context accessor (added here).</summary>
    public static IServiceCollection AddOrders(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddNotifications();
        services.AddSettings<PaymentOptions>(static (o, s) => o.Bind(s));
        services.AddHttpContextAccessor();
        services.TryAddSingleton<OrderStore>();
        services.TryAddSingleton<IOrders>(static p => p.GetRequiredService<OrderStore>());
        services.TryAddSingleton<StripeIntake>();
        services.TryAddSingleton<Fulfilment>();
        services.TryAddSingleton<ServiceDoors>();
        services.AddSettings<ReminderOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<Reminders>();
        services.AddJobs();
        services.AddSettings<RenewalOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<Renewals>();
        services.AddSettings<CommissionOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<Commissions>();
        AddDispatch(services);
        return services;
    }

    static partial void AddDispatch(IServiceCollection services);
}
