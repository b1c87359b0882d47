-- What jobs look up for each of their items: the orders of a customer and the studies of an order.
CREATE INDEX ix_compliance_orders_email ON compliance_orders (lower(trim(customer_email)));
CREATE INDEX ix_cdr_traffic_studies_order ON cdr_traffic_studies (order_number);
